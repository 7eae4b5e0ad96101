"""Searches: random queries of every kind, against a look at every message in Python, while certificates keep coming.

With SEARCH_ENTRIES it waits until the journal has as many; otherwise it takes what is there.
"""

import json
import os
import random
import time

import requests
from websockets.sync.client import connect

ADDRESS = os.environ["HISTORY_ADDRESS"]
LEAST = int(os.environ.get("SEARCH_ENTRIES", "1500"))
QUERIES = int(os.environ.get("SEARCH_QUERIES", "60"))
session = requests.Session()


def search(parameters):
    answer = session.get(f"http://{ADDRESS}/api/search", params=parameters, timeout=120)
    while answer.status_code == 503:
        time.sleep(int(answer.headers["Retry-After"]))
        answer = session.get(f"http://{ADDRESS}/api/search", params=parameters, timeout=120)
    assert answer.status_code == 200, f"{parameters}: {answer.status_code} {answer.text}"
    return answer


def read(message):
    """A message, as far as searches look at it."""
    data = message["data"]
    leaf = data["leaf_cert"]
    lower = lambda text: (text or "").lower()
    alternative = lower(leaf["extensions"].get("subjectAltName"))
    return {
        "offset": message["offset"],
        "names": [name.lower() for name in leaf["all_domains"]],
        "ip": {name[11:] for name in alternative.split(", ") if name.startswith("ip address:")},
        "issuer": [lower(leaf["issuer"]["CN"]), lower(leaf["issuer"]["O"])],
        "by": json.dumps(leaf["issuer"], sort_keys=True),
        "log": [lower(data["source"]["name"]), lower(data["source"]["url"])],
        "entry": "precert" if data["update_type"] == "PrecertLogEntry" else "final",
        "serial": leaf["serial_number"].lower(),
        "seen": data["seen"],
    }


def everything():
    """All messages that the journal has, from its oldest on."""
    last = 0
    while True:
        page = search({"limit": 1}).json()
        last = page["searched"]["until"]
        oldest = search({"limit": 1, "order": "oldest"}).json()["results"]
        if oldest and last - oldest[0]["offset"] + 1 >= LEAST:
            break
        time.sleep(0.2)
    found = []
    with connect(f"ws://{ADDRESS}/full-stream?since=0", max_size=None) as socket:
        for text in socket:
            message = json.loads(text)
            if message["message_type"] == "certificate_update":
                found.append(read(message))
                if message["offset"] >= last:
                    return found


def below(name, domain):
    name = name.removesuffix(".")
    return name == domain or name.endswith(f".{domain}") or name == f"*.{domain.partition('.')[2]}"


def passes(query, one):
    has = lambda key, test: key not in query or test(query[key])
    return (
        has("domain", lambda domain: any(below(name, domain) for name in one["names"]))
        and has("match", lambda part: any(part in name for name in one["names"]))
        and has("issuer", lambda part: any(part in text for text in one["issuer"]))
        and has("log", lambda part: any(part in text for text in one["log"]))
        and has("ip", lambda address: address in one["ip"])
        and has("serial", lambda serial: serial == one["serial"])
        and has("entry", lambda entry: entry == one["entry"])
        and has("since", lambda since: one["offset"] > since)
        and has("until", lambda until: one["offset"] <= until)
    )


def names(query, one):
    """The names that are wanted; all if none is by itself."""
    every = {name.removesuffix(".") for name in one["names"]}
    wanted = {
        name for name in every
        if ("domain" not in query or below(name, query["domain"])) and ("match" not in query or query["match"] in name)
    }
    return sorted(wanted or every)[:100]


def expected(query, messages):
    found, certificates, shown = [], set(), set()
    for one in messages if query.get("order") == "oldest" else reversed(messages):
        if not passes(query, one):
            continue
        if query.get("unique") == "certificate":
            if (one["by"], one["serial"]) in certificates:
                continue
            certificates.add((one["by"], one["serial"]))
        if query.get("unique") == "name":
            new = set(names(query, one)) - shown
            if not new:
                continue
            shown |= new
        found.append(one["offset"])
    return found


def pages(query, limit):
    found, cursor = [], {}
    while True:
        page = search({**query, **cursor, "limit": limit}).json()
        found += [result["offset"] for result in page["results"]]
        if page["cursor"] is None:
            assert page["complete"], f"{query}: {page['searched']}"
            return found
        cursor = {"cursor": page["cursor"]}


def lines(query):
    *results, end = search({**query, "format": "ndjson", "limit": 100_000}).text.splitlines()
    assert json.loads(end)["complete"], end
    return [json.loads(line)["offset"] for line in results]


def some(messages, chance):
    """A query with something that a message has."""
    query = {"until": messages[-1]["offset"], "order": chance.choice(["newest", "oldest"])}
    one = chance.choice(messages)
    plain = [name.removesuffix(".") for name in one["names"] if all(c.isalnum() or c in "-." for c in name)]
    for kind in chance.sample(["domain", "parent", "match", "issuer", "log", "serial", "entry", "range", "ip"], chance.choice([1, 1, 2, 3])):
        if kind == "domain" and plain:
            query["domain"] = chance.choice(plain)
        elif kind == "parent" and plain and "." in plain[0]:
            query["domain"] = plain[0].partition(".")[2]
        elif kind == "match" and plain and len(plain[0]) > 5:
            start = chance.randrange(len(plain[0]) - 3)
            query["match"] = plain[0][start:start + chance.randrange(3, 8)]
        elif kind == "issuer" and one["issuer"][0]:
            query["issuer"] = one["issuer"][0][:6].strip().replace(",", "")
        elif kind == "log":
            query["log"] = one["log"][1]
        elif kind in ("serial", "entry") and one[kind]:
            query[kind] = one[kind]
        elif kind == "range":
            query["since"] = one["offset"]
        elif kind == "ip" and one["ip"]:
            query["ip"] = chance.choice(sorted(one["ip"]))
    unique = chance.choice([None, None, "certificate", "name"])
    return {**query, "unique": unique} if unique else query


messages = everything()
chance = random.Random(20)
for _ in range(QUERIES):
    query = some(messages, chance)
    wanted = expected(query, messages)
    found = lines(query)
    assert found == wanted, f"{query}: {len(found)} found, {len(wanted)} expected"
    limit = min(max(len(wanted) // 4, 1), 1000)
    found = pages(query, limit)
    assert found == wanted, f"{query} in pages of {limit}: {len(found)} found, {len(wanted)} expected"
print(f"{QUERIES} searches of {len(messages)} certificates")
