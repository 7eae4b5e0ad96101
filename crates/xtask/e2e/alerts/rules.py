"""The rules of the checks, and which certificates of a stream they match."""

import collections
import re

LOOKALIKES = [
    "wonderfu1.com",
    "wonderfull.com",
    "wonderful-login.com",
    "wonderful.net",
    "wonder-ful.com",
    "login.wonderful.com.evil.net",
    "xn--wnderful-nbh.com",
]
NO_LOOKALIKES = ["wonderful.com", "shop.wonderful.com", "wonderful.org", "wonder.com", "full.com"]
# Every so many entries of a log, one has a name of these.
PLANTED_EVERY = 15

EXPRESSION = r"^(login|mail|id|vpn)\.[a-z]+[0-9]{2}"
ISSUER = "Lindenhof"
RULES = [
    {"name": "a suffix", "domain": ["ch", "xyz"], "deliver": ["hook", "ntfy"]},
    {
        "name": "a word",
        "match": ["ocean", "VELVET", "-news"],
        "except": {"issuer": ISSUER},
        "deliver": ["hook", "slack"],
    },
    {"name": "an expression", "regex": EXPRESSION, "deliver": "hook"},
    {
        "name": "lookalikes",
        "lookalike": "wonderful.com",
        "except": {"domain": "wonderful.org"},
        "deliver": ["hook", "mail"],
    },
    {"name": "final only", "domain": "fr", "entry": "final", "deliver": "hook"},
]


def receivers_of(rule):
    return [rule["deliver"]] if isinstance(rule["deliver"], str) else rule["deliver"]


def planted(entries):
    """Returns names by the index of their entry."""
    names = LOOKALIKES + NO_LOOKALIKES
    return {
        index: names[number % len(names)]
        for number, index in enumerate(range(5, entries, PLANTED_EVERY))
    }


def is_in(domain, name):
    return name == domain or name.endswith(f".{domain}")


def matched(data):
    """Returns the names of the rules that match a certificate."""
    leaf = data["leaf_cert"]
    names = [name.lower() for name in leaf["all_domains"]]
    issuer = [leaf["issuer"][part] or "" for part in ("CN", "O")]
    if any(is_in(suffix, name) for suffix in ("ch", "xyz") for name in names):
        yield "a suffix"
    if any(word in name for word in ("ocean", "velvet", "-news") for name in names):
        if not any(ISSUER in part for part in issuer):
            yield "a word"
    if any(re.search(EXPRESSION, name) for name in names):
        yield "an expression"
    if any(name in LOOKALIKES for name in names):
        yield "lookalikes"
    if data["update_type"] == "X509LogEntry" and any(is_in("fr", name) for name in names):
        yield "final only"


def expected(stream):
    """Returns for each rule the places of the entries that are alerts, in order: log and index."""
    alerts, known = collections.defaultdict(list), set()
    for data in stream:
        leaf = data["leaf_cert"]
        for rule in matched(data):
            # A precertificate and its final certificate are one alert.
            identity = rule, leaf["issuer"]["aggregated"], leaf["serial_number"]
            if identity not in known:
                known.add(identity)
                alerts[rule].append((data["source"]["url"].rstrip("/"), data["cert_index"]))
    return alerts
