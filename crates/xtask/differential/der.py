"""As much of DER (ITU-T X.690) as it takes to put the fields of a certificate apart and together."""

BOOLEAN, INTEGER, BIT_STRING, OBJECT_IDENTIFIER, SEQUENCE, SET = 1, 2, 3, 6, 0x30, 0x31
VERSION, EXTENSIONS = 0xA0, 0xA3


def elements(content):
    """`(tag, contents, whole)` of the elements that stand one after another."""
    found = []
    while content:
        length, start = content[1], 2
        if length >= 0x80:
            start = 2 + length - 0x80
            length = int.from_bytes(content[2:start], "big")
        end = start + length
        found.append((content[0], content[start:end], content[:end]))
        content = content[end:]
    return found


def encode(tag, *contents):
    contents = b"".join(contents)
    length = len(contents)
    if length < 0x80:
        return bytes([tag, length]) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(octets)]) + octets + contents


FIELDS = ("serial", "signature", "issuer", "validity", "subject", "key")


def fields(certificate):
    """The fields of a TBSCertificate (RFC 5280 section 4.1), `extensions` as a list, and the outer
    `signature_algorithm`, all encoded; `None` for what is not made as a certificate is."""
    try:
        tbs, algorithm, _ = elements(elements(certificate)[0][1])
        members = elements(tbs[1])
        if members[0][0] == VERSION:
            members = members[1:]
        if [tag for tag, _, _ in members[:6]] != [INTEGER, *[SEQUENCE] * 5]:
            return None
        listed = [contents for tag, contents, _ in members if tag == EXTENSIONS]
        extensions = elements(elements(listed[0])[0][1]) if listed else []
    except (IndexError, ValueError):
        return None
    found = {name: whole for name, (_, _, whole) in zip(FIELDS, members)}
    found["extensions"] = [whole for _, _, whole in extensions]
    return found | {"signature_algorithm": algorithm[2]}


def attributes(name):
    """The attributes of a name (RFC 5280 section 4.1.2.4), each encoded."""
    rdns = elements(elements(name)[0][1])
    return [whole for _, rdn, _ in rdns for _, _, whole in elements(rdn)]


def name(attribute):
    """The name that has this attribute."""
    return encode(SEQUENCE, encode(SET, attribute))


ED25519 = encode(SEQUENCE, encode(OBJECT_IDENTIFIER, b"\x2b\x65\x70"))
TIME = encode(0x17, b"260101000000Z")
EMPTY = encode(SEQUENCE)


def certificate(
    serial=encode(INTEGER, b"\x01"),
    signature_algorithm=ED25519,
    issuer=EMPTY,
    validity=encode(SEQUENCE, TIME, TIME),
    subject=EMPTY,
    extension=None,
):
    """A certificate with nothing odd in it but what is given."""
    version = encode(VERSION, encode(INTEGER, b"\x02"))
    key = encode(SEQUENCE, ED25519, encode(BIT_STRING, bytes(33)))
    extensions = [encode(EXTENSIONS, encode(SEQUENCE, extension))] if extension else []
    members = [version, serial, signature_algorithm, issuer, validity, subject, key, *extensions]
    tbs = encode(SEQUENCE, *members)
    return encode(SEQUENCE, tbs, signature_algorithm, encode(BIT_STRING, bytes(65)))


def extension_header(extension):
    """The identifier of an extension in dotted form, and whether it is critical."""
    (_, identifier, _), (tag, flag, _), *_ = elements(elements(extension)[0][1])
    return [dotted(identifier), tag == BOOLEAN and flag == b"\xff"]


def dotted(identifier):
    arcs, arc = [], 0
    for octet in identifier:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
