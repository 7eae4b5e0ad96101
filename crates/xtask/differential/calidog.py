"""What a message of the default profile shows for fields: its conventions, said once more."""

import base64

from reference import REFUSED

PARTS = {
    "C": "2.5.4.6", "CN": "2.5.4.3", "L": "2.5.4.7", "O": "2.5.4.10", "OU": "2.5.4.11",
    "ST": "2.5.4.8", "emailAddress": "1.2.840.113549.1.9.1",
}
KEY_USAGES = (
    "Digital Signature", "Non Repudiation", "Key Encipherment", "Data Encipherment",
    "Key Agreement", "Key Cert Sign", "C R L Sign", "Encipher Only", "Decipher Only",
)
PURPOSES = {
    "1.3.6.1.5.5.7.3.1": "TLS Web server authentication",
    "1.3.6.1.5.5.7.3.2": "TLS Web client authentication",
    "1.3.6.1.5.5.7.3.3": "Code signing",
    "1.3.6.1.5.5.7.3.4": "E-mail protection",
    "1.3.6.1.5.5.7.3.5": "IP security end system",
    "1.3.6.1.5.5.7.3.6": "IP security tunnel termination",
    "1.3.6.1.5.5.7.3.7": "IP security user",
    "1.3.6.1.5.5.7.3.8": "Timestamping",
    "1.3.6.1.5.5.7.3.9": "OCSPstamping",
}
ACCESS = {"1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": "CA Issuers"}
GENERAL_NAMES = {"dns": "DNS:", "uri": "URI:", "email": "RFC 822Name:", "ip": "IP:"}


def leaf_cert(fields, der):
    """The members of `leaf_cert`, those of `extensions` under names with a dot; `REFUSED` where the
    fields do not tell."""
    shown = extensions(fields["extensions"])
    members = {
        "all_domains": all_domains(fields),
        "as_der": base64.b64encode(der).decode(),
        "fingerprint": colons(fields["sha1"]),
        "is_ca": is_ca(fields),
        "issuer": told(name, fields["issuer"]),
        "not_after": fields["not_after"],
        "not_before": fields["not_before"],
        "parse_error": fields["parse_error"],
        "serial_number": told(serial_number, fields["serial"]),
        "sha1": colons(fields["sha1"]),
        "sha256": colons(fields["sha256"]),
        "signature_algorithm": told(signature_algorithm, fields["signature_algorithm"]),
        "subject": told(name, fields["subject"]),
    }
    return members | {f"extensions.{key}": value for key, value in shown.items()}


def told(form, value):
    return REFUSED if value is REFUSED else form(value)


def colons(digits):
    return ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).upper()


def serial_number(number):
    size = (number if number >= 0 else ~number).bit_length() // 8 + 1
    return number.to_bytes(size, "big", signed=True).lstrip(b"\0").hex().upper() or "00"


def signature_algorithm(algorithm):
    if algorithm is None:
        return "unknown"
    key, digest = algorithm
    return f"{'sha' if digest == 'sha1' else digest or 'none'}, {key}"


def name(attributes):
    texts = {oid: text for oid, text in attributes if text is not None}  # the last one stays
    parts = {key: texts.get(oid) for key, oid in PARTS.items()}
    line = "".join(f"/{key}={text}" for key, text in parts.items() if text is not None)
    return parts | {"aggregated": line or "/", "email_address": parts["emailAddress"]}


def is_ca(fields):
    values = [value for oid, _, value in fields["extensions"] if oid == "2.5.29.19"]
    return REFUSED if REFUSED in values else any(values)


def all_domains(fields):
    names = [value for oid, _, value in fields["extensions"] if oid == "2.5.29.17"]
    ca = is_ca(fields)
    if REFUSED in (ca, fields["subject"], *names):
        return REFUSED
    common_name = None if ca else name(fields["subject"])["CN"]
    domains = [common_name] if common_name else []
    domains += [name[1] for each in names for name in each if name[0] == "dns"]
    return list(dict.fromkeys(domains))


def extensions(listed):
    """Each kind that is known once, and the identifiers of all else as `extra`."""
    shown, extra = {}, []
    for oid, _, value in listed:
        key, form = FORMS.get(oid, (None, None))
        if key is None or key in shown:
            extra.append(oid)
        else:
            shown[key] = told(form, value)
    if REFUSED in shown.values():
        shown["extra"] = REFUSED
    elif extra:
        shown["extra"] = extra
    return {key: value for key, value in shown.items() if value is not None}


def access(places):
    lines = [
        f"{ACCESS[method]} - URI:{name[1]}\n"
        for method, name in places
        if name[0] == "uri" and method in ACCESS
    ]
    return "".join(reversed(lines))


def alt_name(names):
    shown = [name for name in names if name[0] in GENERAL_NAMES]
    return ", ".join(GENERAL_NAMES[kind] + text for kind, text in shown)


def policies(items):
    labels = {"policy": "Policy: ", "cps": "  CPS: ", "notice": "  User Notice: "}
    return "\n".join(labels[kind] + (text or "") for kind, text in items)


def distribution_points(items):
    lines = []
    for item in items:
        if item[0] == "full name":
            lines.append("Full Name:")
        elif item[0] == "uri":
            lines.append(f" URI:{item[1]}")
    return "\n".join(lines)


def url_safe_base64(digits):
    return base64.urlsafe_b64encode(bytes.fromhex(digits)).decode()


FORMS = {
    "1.3.6.1.5.5.7.1.1": ("authorityInfoAccess", access),
    "2.5.29.35": ("authorityKeyIdentifier", lambda id: id and f"keyid:{colons(id)}\n"),
    "2.5.29.19": ("basicConstraints", lambda ca: "CA:TRUE" if ca else "CA:FALSE"),
    "2.5.29.32": ("certificatePolicies", policies),
    "2.5.29.31": ("crlDistributionPoints", distribution_points),
    "1.3.6.1.4.1.11129.2.4.3": ("ctlPoisonByte", lambda poison: poison),
    "1.3.6.1.4.1.11129.2.4.2": ("ctlSignedCertificateTimestamp", url_safe_base64),
    "2.5.29.37": ("extendedKeyUsage", lambda oids: ", ".join(PURPOSES.get(o, o) for o in oids)),
    "2.5.29.18": ("issuerAltName", alt_name),
    "2.5.29.15": ("keyUsage", lambda bits: ", ".join(KEY_USAGES[bit] for bit in bits)),
    "2.5.29.17": ("subjectAltName", alt_name),
    "2.5.29.14": ("subjectKeyIdentifier", colons),
}
