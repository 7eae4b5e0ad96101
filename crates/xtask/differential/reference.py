"""What `cryptography` reads from a certificate, in the form that `describe` uses."""

import hashlib
import socket
import warnings

from cryptography import x509
from cryptography.x509.oid import ExtensionOID, SignatureAlgorithmOID

import der as asn1

# Serial numbers that are not positive, and the like, are what this is about.
warnings.simplefilter("ignore")


class Refused:
    """Stands for what `cryptography` does not read."""

    def __repr__(self):
        return "refused"


REFUSED = Refused()


def read(der):
    """The fields of a certificate, or `None` for what is none.

    Where the whole is not read, each field is, as the only odd one of a certificate.
    """
    parts = asn1.fields(der)
    whole = attempt(lambda: x509.load_der_x509_certificate(der))
    if whole is REFUSED and parts is None:
        return None

    def field(name, read):
        if whole is REFUSED:
            return attempt(lambda: read(alone(**{name: parts[name]})))
        return attempt(lambda: read(whole))

    def each_name(name):
        read = attempt(lambda: attributes(getattr(whole, name)))
        return attempt(lambda: apart(parts[name])) if read is REFUSED else read

    return {
        "sha1": hashlib.sha1(der).hexdigest(),
        "sha256": hashlib.sha256(der).hexdigest(),
        "serial": field("serial", lambda each: each.serial_number),
        "issuer": each_name("issuer"),
        "subject": each_name("subject"),
        "not_before": field("validity", lambda each: seconds(each.not_valid_before_utc)),
        "not_after": field("validity", lambda each: seconds(each.not_valid_after_utc)),
        "signature_algorithm": field("signature_algorithm", signature_algorithm),
        "extensions": extensions(whole, parts),
        "parse_error": REFUSED if whole is REFUSED else None,
    }


def attempt(read):
    try:
        return read()
    except Exception:  # whatever it is, it is not read
        return REFUSED


def alone(**field):
    return x509.load_der_x509_certificate(asn1.certificate(**field))


def seconds(time):
    return int(time.timestamp())


def attributes(name):
    return [
        [attribute.oid.dotted_string, attribute.value if isinstance(attribute.value, str) else None]
        for rdn in name.rdns
        for attribute in rdn
    ]


def apart(name):
    """The attributes of a name that is not read as one."""
    found = []
    for attribute in asn1.attributes(name):
        found += attributes(alone(subject=asn1.name(attribute)).subject)
    return found


OID = SignatureAlgorithmOID
OIW_RSA_WITH_SHA1 = x509.ObjectIdentifier("1.3.14.3.2.29")
KEYS = {
    "rsa": {
        OID.RSA_WITH_MD5, OID.RSA_WITH_SHA1, OIW_RSA_WITH_SHA1, OID.RSA_WITH_SHA224,
        OID.RSA_WITH_SHA256, OID.RSA_WITH_SHA384, OID.RSA_WITH_SHA512,
    },
    "rsa-pss": {OID.RSASSA_PSS},
    "ecdsa": {
        OID.ECDSA_WITH_SHA1, OID.ECDSA_WITH_SHA224, OID.ECDSA_WITH_SHA256, OID.ECDSA_WITH_SHA384,
        OID.ECDSA_WITH_SHA512,
    },
    "dsa": {
        OID.DSA_WITH_SHA1, OID.DSA_WITH_SHA224, OID.DSA_WITH_SHA256, OID.DSA_WITH_SHA384,
        OID.DSA_WITH_SHA512,
    },
    "eddsa": {OID.ED25519, OID.ED448},
}


def signature_algorithm(certificate):
    for key, oids in KEYS.items():
        if certificate.signature_algorithm_oid in oids:
            digest = certificate.signature_hash_algorithm
            return [key, digest and digest.name]
    return None


def extensions(whole, parts):
    """`[identifier, critical, value]` for each."""
    listed = attempt(lambda: [extension(each) for each in whole.extensions])
    if listed is not REFUSED:
        return listed
    # One is broken or repeated, or something else is.
    return [only_extension(encoded) for encoded in parts["extensions"]]


def only_extension(encoded):
    listed = attempt(lambda: [extension(each) for each in alone(extension=encoded).extensions])
    return [*asn1.extension_header(encoded), REFUSED] if listed is REFUSED else listed[0]


def extension(extension):
    read = VALUES.get(extension.oid)
    return [extension.oid.dotted_string, extension.critical, read and read(extension.value)]


def key_usage(usage):
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )
    # The last two cannot be asked for, nor be set, without key_agreement.
    asked = names if usage.key_agreement else names[:7]
    return [bit for bit, name in enumerate(asked) if getattr(usage, name)]


def general_name(name):
    kinds = {
        x509.DNSName: "dns", x509.RFC822Name: "email", x509.UniformResourceIdentifier: "uri",
    }
    if isinstance(name, x509.IPAddress):
        packed = name.value.packed
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        return ["ip", socket.inet_ntop(family, packed)]
    kind = kinds.get(type(name))
    return [kind, name.value] if kind else ["other"]


def policies(policies):
    items = []
    for policy in policies:
        items.append(["policy", policy.policy_identifier.dotted_string])
        for qualifier in policy.policy_qualifiers or []:
            if isinstance(qualifier, str):
                items.append(["cps", qualifier])
            else:
                items.append(["notice", qualifier.explicit_text])
    return items


def distribution_points(points):
    items = []
    for point in points:
        items.append(["unnamed"] if point.full_name is None else ["full name"])
        items.extend(general_name(name) for name in point.full_name or [])
    return items


VALUES = {
    ExtensionOID.AUTHORITY_INFORMATION_ACCESS: lambda value: [
        [place.access_method.dotted_string, general_name(place.access_location)] for place in value
    ],
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER: lambda value: (
        None if value.key_identifier is None else value.key_identifier.hex()
    ),
    ExtensionOID.BASIC_CONSTRAINTS: lambda value: value.ca,
    ExtensionOID.CERTIFICATE_POLICIES: policies,
    ExtensionOID.CRL_DISTRIBUTION_POINTS: distribution_points,
    ExtensionOID.EXTENDED_KEY_USAGE: lambda value: [oid.dotted_string for oid in value],
    ExtensionOID.ISSUER_ALTERNATIVE_NAME: lambda value: [general_name(name) for name in value],
    ExtensionOID.KEY_USAGE: key_usage,
    ExtensionOID.PRECERT_POISON: lambda value: True,
    ExtensionOID.PRECERT_SIGNED_CERTIFICATE_TIMESTAMPS: lambda value: value.public_bytes().hex(),
    ExtensionOID.SUBJECT_ALTERNATIVE_NAME: lambda value: [general_name(name) for name in value],
    ExtensionOID.SUBJECT_KEY_IDENTIFIER: lambda value: value.digest.hex(),
}
