"""Compares what `describe` reads from every certificate of the shared data with what Python's
`cryptography` does: the fields, and their text in a message of the default profile.

    compare.py DESCRIBE DATA

Every difference must have its reason in explained.json, and every reason there a difference.
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

import calidog
import corpus
import reference
from reference import REFUSED

Difference = collections.namedtuple("Difference", "sha256 place field ours theirs")


def main(describe, data):
    found = corpus.certificates(pathlib.Path(data))
    described = run(describe, list(found))
    tally, differences = collections.Counter(), []
    for (der, place), line in zip(found.items(), described, strict=True):
        theirs = reference.read(der)
        if theirs is None:
            tally["others"] += 1
            continue
        tally["certificates"] += 1
        whole = theirs["parse_error"] is not REFUSED
        tally["compared"] += whole
        for field, ours, expected in pairs(line, theirs, der):
            if expected is REFUSED:
                tally["refused"] += 1
                continue
            tally["fields"] += 1
            if ours != expected:
                differences.append(Difference(theirs["sha256"], place, field, ours, expected))
    return report(tally, differences)


def run(describe, certificates):
    """Runs our program over all certificates; it must not lose one."""
    stream = b"".join(len(der).to_bytes(4, "big") + der for der in certificates)
    done = subprocess.run([describe], input=stream, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def pairs(line, theirs, der):
    """`(field, ours, expected)` for all there is to compare of one certificate."""
    yield from field_pairs(line["fields"], theirs)
    leaf = dict(line["message"]["data"]["leaf_cert"])
    shown = {f"extensions.{key}": value for key, value in leaf.pop("extensions").items()}
    yield from dictionaries("message.", leaf | shown, calidog.leaf_cert(theirs, der))


def field_pairs(ours, theirs):
    ours, theirs = dict(ours), dict(theirs)
    ours["serial"] = int.from_bytes(bytes.fromhex(ours["serial"]), "big", signed=True)
    listed, expected = ours.pop("extensions"), theirs.pop("extensions")
    ours["is_ca"], theirs["is_ca"] = ours["is_ca"], calidog.is_ca({"extensions": expected})
    yield from dictionaries("", ours, theirs)
    names = [[each["oid"], each["critical"]] for each in listed]
    yield "extensions", names, [[oid, critical] for oid, critical, _ in expected]
    for each, (oid, _, value) in zip(listed, expected):
        yield f"extensions.{oid}", each["value"], value


def dictionaries(prefix, ours, theirs):
    for key in sorted(ours.keys() | theirs.keys()):
        yield prefix + key, ours.get(key), theirs.get(key)


def report(tally, differences):
    print(tally)
    count = collections.Counter(d.field for d in differences)
    print(count)
    for d in differences: print(json.dumps(d._asdict()))
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
