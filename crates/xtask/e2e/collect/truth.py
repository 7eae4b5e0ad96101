"""The expected rows of a file, made from the server's messages without any code of the collector."""

import base64
import json
from datetime import datetime, timedelta, timezone

from publicsuffixlist import PublicSuffixList

SUFFIXES = PublicSuffixList()
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def moment(seconds):
    return EPOCH + timedelta(milliseconds=round(seconds * 1000))


def registered(name):
    """The registrable domain of a name, by another program's list."""
    return SUFFIXES.privatesuffix(name.removeprefix("*.").lower())


def row(message):
    """The columns in the order of a file; the last one is there only with --with-der."""
    data = message["data"]
    leaf, source = data["leaf_cert"], data["source"]
    subject, issuer = leaf["subject"], leaf["issuer"]
    return {
        "offset": message["offset"],
        "seen": moment(data["seen"]),
        "submitted": moment(data["submission_timestamp"]),
        "cert_index": data["cert_index"],
        "update_type": data["update_type"],
        "domains": leaf["all_domains"],
        "registered_domain": [registered(name) for name in leaf["all_domains"]],
        "domains_total": message.get("domains_total"),
        "subject": subject["aggregated"],
        "subject_cn": subject["CN"],
        "issuer": issuer["aggregated"],
        "issuer_cn": issuer["CN"],
        "issuer_o": issuer["O"],
        "serial_number": leaf["serial_number"],
        "fingerprint": leaf["fingerprint"],
        "sha256": leaf["sha256"],
        "not_before": moment(leaf["not_before"]),
        "not_after": moment(leaf["not_after"]),
        "signature_algorithm": leaf["signature_algorithm"],
        "is_ca": leaf["is_ca"],
        "source_name": source["name"],
        "source_url": source["url"],
        "source_operator": source["operator"],
        "log_id": source["log_id"],
        "cert_link": data["cert_link"],
        "truncated": message.get("truncated", False),
        "as_der": base64.b64decode(leaf["as_der"]),
    }


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [row(json.loads(line)) for line in lines]


def names(truth):
    return [name.removeprefix("*.") for row in truth for name in row["domains"]]
