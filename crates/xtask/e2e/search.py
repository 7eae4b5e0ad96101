"""Searches: random queries of every kind, against a look at every message in Python, while certificates keep coming.

SEARCH_ENTRIES is the number of certificates that it waits for, SEARCH_QUERIES that of queries, and SEARCH_RESULTS that of
results of a query at most.
"""

import base64
import ipaddress
import json
import os
import random
import sys
import threading
import time
import traceback

import requests
from websockets.sync.client import connect

ADDRESS = os.environ["HISTORY_ADDRESS"]
LEAST = int(os.environ.get("SEARCH_ENTRIES", "1500"))
QUERIES = int(os.environ.get("SEARCH_QUERIES", "20"))
# Queries that find more are narrowed.
MOST = int(os.environ.get("SEARCH_RESULTS", "100"))
KINDS = [
    "domain", "parent", "exact", "domains", "match", "matches", "issuer", "log", "serial", "entry",
    "since", "until", "since_time", "until_time", "ip", "network", "address",
]
session = requests.Session()


class Messages:
    """What the server has published, as its stream shows it. It keeps growing."""

    def __init__(self):
        self.all = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            with connect(f"ws://{ADDRESS}/full-stream?since=0", max_size=None) as socket:
                for text in socket:
                    message = json.loads(text)
                    if message["message_type"] == "certificate_update":
                        self.all.append(read(message))
                    else:
                        # A gap may only stand before the first.
                        assert message["message_type"] == "heartbeat" or not self.all, message
        except BaseException:
            # Nothing can be compared without it.
            traceback.print_exc()
            os._exit(1)

    def until(self, offset):
        """Those up to an offset."""
        while not self.all or self.all[-1]["offset"] < offset:
            time.sleep(0.01)
        last = len(self.all)
        while self.all[last - 1]["offset"] > offset:
            last -= 1
        return self.all[:last]


def search(parameters):
    while True:
        answer = session.get(f"http://{ADDRESS}/api/search", params=parameters, timeout=300)
        if answer.status_code != 503:
            assert answer.status_code == 200, f"{parameters}: {answer.status_code} {answer.text}"
            return answer
        time.sleep(int(answer.headers["Retry-After"]))


def lower(text):
    return sys.intern((text or "").lower())


def is_negative(certificate):
    """Reports whether a serial number is negative, which its text does not show."""
    def content(at):
        length = certificate[at + 1]
        return at + 2 + (length & 0x7F if length & 0x80 else 0)

    try:
        at = content(content(0))
        if certificate[at] == 0xA0:  # the version
            at += 2 + certificate[at + 1]
        return certificate[at] == 2 and certificate[content(at)] >= 0x80
    except IndexError:
        return False


def read(message):
    """A message, as far as searches look at it."""
    data = message["data"]
    leaf = data["leaf_cert"]
    alternative = lower(leaf["extensions"].get("subjectAltName"))
    return {
        "offset": message["offset"],
        "names": [name.lower() for name in leaf["all_domains"]],
        "ip": {ipaddress.ip_address(name[3:]) for name in alternative.split(", ") if name.startswith("ip:")},
        "issuer": [lower(leaf["issuer"]["CN"]), lower(leaf["issuer"]["O"])],
        "by": sys.intern(json.dumps(leaf["issuer"], sort_keys=True)),
        "log": [lower(data["source"]["name"]), lower(data["source"]["url"])],
        "entry": "precert" if data["update_type"] == "PrecertLogEntry" else "final",
        # What cannot be read has no serial number.
        "serial": leaf["serial_number"].lower() or leaf["sha256"],
        "negative": is_negative(base64.b64decode(leaf["as_der"])),
        "seen": round(data["seen"] * 1000),
    }


def plain(name):
    return name.removesuffix(".")


def below(name, domain, exact):
    name = plain(name)
    covers = not exact and name == f"*.{domain.partition('.')[2]}"
    return name == domain or name.endswith(f".{domain}") or covers


def as_address(text):
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


class Query:
    """A query, and what it means."""

    def __init__(self, parameters):
        self.parameters = parameters
        terms = lambda name: parameters[name].split(",") if name in parameters else None
        self.domains, self.parts, self.networks = terms("domain"), terms("match"), terms("ip")
        self.networks = self.networks and [ipaddress.ip_network(each) for each in self.networks]
        self.addresses = self.domains and {as_address(each) for each in self.domains} - {None}

    def has_name(self, name):
        exact = "exact" in self.parameters
        return (
            (not self.domains or any(below(name, domain, exact) for domain in self.domains))
            and (not self.parts or any(part in name for part in self.parts))
        )

    def passes(self, one):
        has = lambda key, test: key not in self.parameters or test(self.parameters[key])
        exact = "exact" in self.parameters
        return (
            has("entry", lambda entry: entry == one["entry"])
            and has("serial", lambda serial: serial == one["serial"])
            and has("log", lambda part: any(part in text for text in one["log"]))
            and has("issuer", lambda part: any(part in text for text in one["issuer"]))
            and (not self.networks or any(each in network for each in one["ip"] for network in self.networks))
            and (
                not self.domains
                or any(below(name, domain, exact) for name in one["names"] for domain in self.domains)
                or bool(self.addresses & one["ip"])
            )
            and (not self.parts or any(part in name for name in one["names"] for part in self.parts))
        )

    def bounds(self, messages):
        """The first offset, and the one after the last."""
        start, end = 0, messages[-1]["offset"] + 1
        # A time is the place of the first that was seen then or later.
        place = lambda time: next((one["offset"] for one in messages if one["seen"] >= time), end)
        given = self.parameters
        if "since" in given:
            start = given["since"] + 1
        if "since_time" in given:
            start = place(round(float(given["since_time"]) * 1000))
        if "until" in given:
            end = min(end, given["until"] + 1)
        if "until_time" in given:
            end = min(end, place(round(float(given["until_time"]) * 1000)))
        return start, end

    def names(self, one):
        """The names that are wanted; all if none is by itself. Addresses are names where there are no others."""
        every = {plain(name) for name in one["names"]}
        if not every:
            return sorted(str(address) for address in one["ip"])[:100]
        wanted = {name for name in every if self.has_name(name)}
        return [name for name in sorted(wanted or every) if len(name.encode()) <= 253][:100]

    def results(self, messages):
        start, end = self.bounds(messages)
        found, certificates, shown = [], set(), set()
        is_oldest = self.parameters.get("order") == "oldest"
        unique = self.parameters.get("unique")
        for one in messages if is_oldest else reversed(messages):
            if not start <= one["offset"] < end or not self.passes(one):
                continue
            if unique == "certificate":
                certificate = (one["by"], one["serial"], one["negative"])
                if certificate in certificates:
                    continue
                certificates.add(certificate)
            if unique == "name":
                names = set(self.names(one))
                new = names - shown
                # One without a name repeats none.
                if names and not new:
                    continue
                shown |= new
            found.append(one["offset"])
        return found

    def lines(self):
        """The results as lines, and the range."""
        found, cursor = [], {}
        while True:
            *results, end = search({**self.parameters, **cursor, "format": "ndjson", "limit": 100_000}).text.splitlines()
            found += [json.loads(line)["offset"] for line in results]
            end = json.loads(end)
            if end["cursor"] is None:
                assert end["complete"], f"{self.parameters}: {end}"
                return found, end["searched"]
            cursor = {"cursor": end["cursor"]}

    def pages(self, limit):
        found, cursor = [], {}
        while True:
            page = search({**self.parameters, **cursor, "limit": limit}).json()
            assert len(page["results"]) <= limit
            found += [result["offset"] for result in page["results"]]
            if page["cursor"] is None:
                assert page["complete"], f"{self.parameters}: {page['searched']}"
                return found, page["searched"]
            cursor = {"cursor": page["cursor"]}


def term(chance, one):
    """A name that may be a term."""
    plain_names = [plain(name) for name in one["names"] if all(c.isascii() and (c.isalnum() or c in "-.") for c in name)]
    plain_names = [name for name in plain_names if "." in name and len(name) > 5 and not name.replace(".", "").isdigit()]
    return chance.choice(plain_names) if plain_names else None


def part(chance, name):
    start = chance.randrange(len(name) - 3)
    return name[start:start + chance.randrange(3, 8)]


def some(messages, chance):
    """A query with something that a message has."""
    query = {"order": chance.choice(["newest", "oldest"])}
    one = chance.choice(messages)
    other = chance.choice(messages)
    for kind in chance.sample(KINDS, chance.choice([1, 1, 2, 3])):
        name = term(chance, one)
        address = chance.choice(sorted(one["ip"], key=str)) if one["ip"] else None
        if kind in ("domain", "exact") and name:
            query["domain"] = name
            if kind == "exact":
                query["exact"] = "true"
        elif kind == "parent" and name:
            query["domain"] = name.partition(".")[2]
        elif kind == "domains" and name and term(chance, other):
            query["domain"] = f"{name},{term(chance, other)}"
        elif kind == "match" and name:
            query["match"] = part(chance, name)
        elif kind == "matches" and name and term(chance, other):
            query["match"] = f"{part(chance, name)},{part(chance, term(chance, other))}"
        elif kind == "issuer" and one["issuer"][0][:6].strip(" ,*"):
            query["issuer"] = one["issuer"][0][:6].strip(" ,*")
        elif kind == "log":
            query["log"] = one["log"][1]
        elif kind in ("serial", "entry") and (kind == "entry" or ":" not in one["serial"]):
            query[kind] = one[kind]
        elif kind in ("since", "until") and f"{kind}_time" not in query:
            query[kind] = one["offset"]
        elif kind in ("since_time", "until_time") and kind.partition("_")[0] not in query:
            query[kind] = f"{one['seen'] / 1000:.3f}"
        elif kind == "ip" and address:
            query["ip"] = str(address)
        elif kind == "network" and address:
            network = ipaddress.ip_network(f"{address}/{chance.choice([8, 16, 24, 32])}", strict=False)
            query["ip"] = str(network)
        elif kind == "address" and address:
            query["domain"] = str(address)
    unique = chance.choice([None, None, "certificate", "name"])
    return {**query, "unique": unique} if unique else query


def compare(query, messages, search_it, what):
    start = time.monotonic()
    found, searched = search_it()
    took = time.monotonic() - start
    # The range was fixed at its begin; meanwhile more has been published.
    known = messages.until(searched["until"])
    wanted = query.results(known)
    said = f"{query.parameters} {what}: {len(found)} found, {len(wanted)} expected"
    assert len(set(found)) == len(found), f"{said}: some are there twice"
    assert found == wanted, f"{said}: only found {sorted(set(found) - set(wanted))[:5]}, only expected {sorted(set(wanted) - set(found))[:5]}"
    return took


def narrowed(query, messages):
    """Limits a query to about as many results as are compared. Returns it with their number."""
    found = query.results(messages)
    if len(found) <= MOST:
        return query, len(found)
    parameters = {name: value for name, value in query.parameters.items() if name not in ("since", "since_time")}
    return Query({**parameters, "since": sorted(found)[-MOST]}), MOST


def newest():
    return search({"limit": 1}).json()["searched"]["until"]


messages = Messages()
begun = time.monotonic()
while len(messages.all) < LEAST or newest() < messages.all[LEAST - 1]["offset"]:
    time.sleep(0.2)
first = messages.until(newest())
assert any(one["ip"] for one in first), "no certificate has an address"
print(f"{len(first)} certificates after {time.monotonic() - begun:.0f} s")
chance = random.Random(20)
times = []
for number in range(QUERIES):
    query, count = narrowed(Query(some(first, chance)), first)
    times.append(compare(query, messages, query.lines, "as lines"))
    limit = min(max(chance.choice([1, 7, 100, 1000]), count // 20), 1000)
    times.append(compare(query, messages, lambda: query.pages(limit), f"in pages of {limit}"))
    if LEAST > 10_000:
        print(f"{number + 1}: {query.parameters}: lines {times[-2]:.2f} s, pages {times[-1]:.2f} s", flush=True)
# Without any filter, in both orders.
for order in ("newest", "oldest"):
    query, _ = narrowed(Query({"order": order}), first)
    times.append(compare(query, messages, query.lines, "as lines"))
print(f"{QUERIES} queries of {len(first)} to {len(messages.all)} certificates, each twice: {sum(times):.0f} s of searches")
sys.stdout.flush()
# The stream would keep the program from ending.
os._exit(0)
