"""Finds every certificate in the shared data, in whatever it is wrapped."""

import base64
import json
import re

# What else is in PEM (requests, CRLs, public keys) says so.
PEM = re.compile(r"-----BEGIN (?:X509 )?CERTIFICATE-----([^-]*)-----END")

DATA_TILES = "tiles/navigli2025h2/tile/data"


def certificates(data):
    """The certificates by their DER, each with the first file it was found in.

    A file of DER may also hold a request, a CRL or an OCSP response: that is not told apart here.
    """
    found = {}
    for folder in ("certs", "rfc6962", DATA_TILES, "vectors"):
        for path in sorted((data / folder).rglob("*")):
            if path.is_file():
                for der in in_file(path):
                    found.setdefault(der, str(path.relative_to(data)))
    return found


def in_file(path):
    content = path.read_bytes()
    if DATA_TILES in str(path):
        return in_data_tile(content)
    if b"-----BEGIN" in content:
        blocks = PEM.findall(content.decode("utf-8", "replace"))
        return [base64.b64decode("".join(block.split())) for block in blocks]
    if content[:1] == b"\x30":
        return [content]
    if path.name == "le.x509leaf":
        return in_entry(content, path.with_name("extra.x509leaf").read_bytes())
    if content.lstrip()[:1] in (b"{", b"["):
        return in_json(json.loads(content))
    return []


def in_json(value):
    """Entries of RFC 6962 section 4.6, roots of section 4.7 and named DER, at whatever depth."""
    if isinstance(value, list):
        return [der for item in value for der in in_json(item)]
    if not isinstance(value, dict):
        return []
    if "leaf_input" in value:
        return in_entry(*(base64.b64decode(value[key]) for key in ("leaf_input", "extra_data")))
    found = [base64.b64decode(root) for root in value.get("certificates", [])]
    if "der_b64" in value:
        found.append(base64.b64decode(value["der_b64"]))
    if "ct_entry" in value:
        found.extend(in_json(json.loads(value["ct_entry"])))
    return found + [der for member in value.values() for der in in_json(member)]


def in_entry(leaf_input, extra_data):
    """MerkleTreeLeaf (RFC 6962 section 3.4), X509ChainEntry and PrecertChainEntry (3.1, 4.6)."""
    leaf, extra = Vectors(leaf_input), Vectors(extra_data)
    leaf.skip(10)  # version, leaf type, timestamp
    submitted = leaf if leaf.number(2) == 0 else extra
    found = [submitted.vector(3)]
    chain = Vectors(extra.vector(3))
    while chain.rest:
        found.append(chain.vector(3))
    return found


def in_data_tile(tile):
    """TileLeaf (c2sp.org/static-ct-api): a TimestampedEntry, the precertificate, fingerprints."""
    entries = Vectors(tile)
    while entries.rest:
        entries.skip(8)  # timestamp
        is_precertificate = entries.number(2) == 1
        if is_precertificate:
            entries.skip(32)  # issuer key hash
        certificate = entries.vector(3)
        entries.vector(2)  # extensions
        yield entries.vector(3) if is_precertificate else certificate
        entries.vector(2)  # fingerprints of the chain


class Vectors:
    """A run of the numbers and variable-length vectors of TLS (RFC 8446 section 3)."""

    def __init__(self, content):
        self.rest = content

    def skip(self, count):
        assert len(self.rest) >= count, "an entry is cut short"
        skipped, self.rest = self.rest[:count], self.rest[count:]
        return skipped

    def number(self, size):
        return int.from_bytes(self.skip(size), "big")

    def vector(self, size):
        return self.skip(self.number(size))
