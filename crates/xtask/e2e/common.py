"""The contract of a message, as clients rely on it: shared by the Python checks."""

import base64
import json
import os
import sys

ADDRESS = os.environ["ADDRESS"]
WS = f"ws://{ADDRESS}"
HTTP = f"http://{ADDRESS}"
# What the server answers to an offer of compression.
DEFLATE = "permessage-deflate; client_no_context_takeover"
# The same where the client wants no context kept.
DEFLATE_EACH = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"
# Enough to fill several chunks, and the window of a decompressor many times.
MESSAGES = 1200
NAME_KEYS = {
    "C", "CN", "L", "O", "OU", "ST", "aggregated", "emailAddress", "email_address",
}


class Offsets:
    """The messages of a client over all its connections: each offset once, in order, no hole."""

    def __init__(self):
        self.last = None
        self.count = 0

    def take(self, text):
        """Checks one message of the lite stream; a gap may only stand before the first."""
        message = json.loads(text)
        if message["message_type"] == "gap":
            assert self.last is None, message
            return
        if message["message_type"] == "heartbeat":
            # All up to there has been sent: it is the last message's.
            assert self.last in (None, message["offset"]), (self.last, message)
            return
        check_certificate(message, full=False)
        offset = message["offset"]
        assert self.last is None or offset == self.last + 1, (self.last, offset)
        self.last = offset
        self.count += 1

    @property
    def path(self):
        """Returns the place to resume at: after the last message, or at the oldest one kept."""
        return f"/?since={self.last or 0}"


def connected():
    """Tells the caller with one byte that a client is connected and may lose its server."""
    sys.stdout.write("!")
    sys.stdout.flush()


def check_certificate(message, full):
    """Checks a certificate_update the way popular consumers index it."""
    assert message["message_type"] == "certificate_update", message
    data = message["data"]
    assert data["update_type"] in ("X509LogEntry", "PrecertLogEntry"), data
    assert isinstance(data["cert_index"], int) and data["cert_link"].startswith("http"), data
    assert isinstance(data["seen"], float) and isinstance(data["submission_timestamp"], float)
    assert not data["source"]["url"].endswith("/") and data["source"]["name"], data["source"]
    leaf = data["leaf_cert"]
    check_fields(leaf)
    check_domains(leaf)
    assert leaf["issuer"]["O"] is not None, "the simulated issuers are organizations"
    poisoned = "ctlPoisonByte" in leaf["extensions"]
    assert poisoned == (data["update_type"] == "PrecertLogEntry"), leaf["extensions"]
    assert ("as_der" in leaf) == full and ("chain" in data) == full, list(data)
    if full:
        check_chain(leaf, data["chain"])


def check_fields(certificate):
    """The types that clients in typed languages insist on; certstream-java is the strictest."""
    for name in (certificate["subject"], certificate["issuer"]):
        assert NAME_KEYS <= set(name), name
        assert all(value is None or isinstance(value, str) for value in name.values()), name
        assert name["aggregated"].startswith("/"), name
        assert name["CN"] is None or f"/CN={name['CN']}" in name["aggregated"], name
    for key, value in certificate["extensions"].items():
        parts = value if isinstance(value, list) else [value]
        assert all(isinstance(part, str) for part in parts) or value is True, (key, value)
    assert isinstance(certificate["not_before"], int) and isinstance(certificate["not_after"], int)
    assert len(certificate["fingerprint"]) == 59 and len(certificate["sha256"]) == 95, certificate
    assert isinstance(certificate["signature_algorithm"], str), certificate
    assert isinstance(certificate["serial_number"], str), certificate
    assert isinstance(certificate["is_ca"], bool), certificate


def check_domains(leaf):
    """The first name is what many take for the domain, the others for its alternatives."""
    shown = leaf["extensions"].get("subjectAltName", "").split(", ")
    expected = [name.removeprefix("DNS:") for name in shown if name.startswith("DNS:")]
    if leaf["subject"]["CN"] and not leaf["is_ca"]:
        expected.insert(0, leaf["subject"]["CN"])
    assert leaf["all_domains"] == list(dict.fromkeys(expected)), leaf


def check_chain(leaf, chain):
    assert chain, "the simulated logs have chains"
    for certificate in [leaf, *chain]:
        assert base64.b64decode(certificate["as_der"], validate=True)[0] == 0x30, certificate
    for lower, upper in zip([leaf, *chain], chain):
        assert lower["issuer"]["aggregated"] == upper["subject"]["aggregated"], (lower, upper)
        key = lower["extensions"]["authorityKeyIdentifier"].replace("keyid:", "").strip()
        assert key == upper["extensions"]["subjectKeyIdentifier"], (lower, upper)
        check_fields(upper)
        assert upper["is_ca"] and upper["all_domains"] == [], upper
