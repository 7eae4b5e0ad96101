"""What the Python checks share: the contract of a message, as clients rely on it."""

import os

ADDRESS = os.environ["ADDRESS"]
WS = f"ws://{ADDRESS}"
NAME_KEYS = {
    "C", "CN", "L", "O", "OU", "ST", "aggregated", "emailAddress", "email_address",
}


def check_certificate(message, full):
    """Checks a certificate_update the way popular consumers index it."""
    assert message["message_type"] == "certificate_update", message
    data = message["data"]
    assert data["update_type"] in ("X509LogEntry", "PrecertLogEntry"), data
    assert isinstance(data["cert_index"], int) and data["cert_link"].startswith("http"), data
    assert isinstance(data["seen"], float) and isinstance(data["submission_timestamp"], float)
    assert not data["source"]["url"].endswith("/") and data["source"]["name"], data["source"]
    leaf = data["leaf_cert"]
    assert NAME_KEYS <= set(leaf["subject"]) and NAME_KEYS <= set(leaf["issuer"]), leaf
    assert leaf["issuer"]["aggregated"].startswith("/"), leaf["issuer"]
    assert isinstance(leaf["all_domains"], list), leaf
    assert isinstance(leaf["not_before"], int) and isinstance(leaf["not_after"], int)
    assert len(leaf["fingerprint"]) == 59 and len(leaf["sha256"]) == 95, leaf
    poisoned = "ctlPoisonByte" in leaf["extensions"]
    assert poisoned == (data["update_type"] == "PrecertLogEntry"), leaf["extensions"]
    assert ("as_der" in leaf) == full and ("chain" in data) == full, list(data)
    for issuer in data.get("chain", []):
        assert issuer["as_der"] and issuer["all_domains"] is not None, issuer
    if full:
        assert data["chain"], "the simulated logs have chains"
