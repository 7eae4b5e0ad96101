"""As much of DER (ITU-T X.690) as it takes to put a certificate's extensions apart."""

SEQUENCE, EXTENSIONS, BOOLEAN, OBJECT_IDENTIFIER = 0x30, 0xA3, 0x01, 0x06


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


def encode(tag, contents):
    length = len(contents)
    if length < 0x80:
        return bytes([tag, length]) + contents
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 + len(octets)]) + octets + contents


def extensions(certificate):
    """The extensions of a certificate, each as its whole element."""
    [(_, certificate, _)] = elements(certificate)
    tbs = elements(elements(certificate)[0][1])
    found = []
    for tag, contents, _ in tbs:
        if tag == EXTENSIONS:
            [(_, listed, _)] = elements(contents)
            found.extend(whole for _, _, whole in elements(listed))
    return found


def with_extensions(certificate, extensions):
    """The certificate with these extensions instead of its own."""
    [(_, certificate, _)] = elements(certificate)
    (_, tbs, _), *rest = elements(certificate)
    fields = [whole for tag, _, whole in elements(tbs) if tag != EXTENSIONS]
    fields.append(encode(EXTENSIONS, encode(SEQUENCE, b"".join(extensions))))
    tbs = encode(SEQUENCE, b"".join(fields))
    return encode(SEQUENCE, tbs + b"".join(whole for _, _, whole in rest))


def extension_header(extension):
    """The identifier of an extension in dotted form, and whether it is critical."""
    [(_, fields, _)] = elements(extension)
    (_, identifier, _), (tag, flag, _), *_ = elements(fields)
    return dotted(identifier), tag == BOOLEAN and flag == b"\xff"


def dotted(identifier):
    arcs, arc = [], 0
    for octet in identifier:
        arc = arc << 7 | octet & 0x7F
        if octet < 0x80:
            arcs.append(arc)
            arc = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(map(str, [first, arcs[0] - 40 * first, *arcs[1:]]))
