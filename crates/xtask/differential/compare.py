"""Compares what `describe` reads from every certificate of the shared data with what Python's
`cryptography` does: the fields, and their text in a message of the default profile.

    compare.py DESCRIBE DATA

Every difference must have its reason in explained.json, and every reason there a difference.
"""

import collections
import json
import pathlib
import subprocess
import sys

import cryptography

import calidog
import corpus
import reference
from reference import REFUSED

Difference = collections.namedtuple("Difference", "sha256 field ours theirs")
SHOWN = 50  # of the differences without a reason


def main(describe, data):
    found = corpus.certificates(pathlib.Path(data))
    described = run(describe, list(found))
    tally, differences, places = collections.Counter(), [], {}
    # Strictly: for each certificate there must be an answer.
    for (der, place), line in zip(found.items(), described, strict=True):
        theirs = reference.read(der)
        places[line["fields"]["sha256"]] = place
        tally["certificates"] += theirs is not None
        tally["other files"] += theirs is None
        tally["field by field"] += theirs is not None and theirs["parse_error"] is REFUSED
        for field, ours, expected in pairs(line, theirs, der):
            if expected is REFUSED:
                tally["refused"] += 1
                continue
            tally["fields"] += 1
            if ours != expected:
                sha256 = line["fields"]["sha256"]
                differences.append(Difference(sha256, field, ours, expected))
    reasons = json.loads(pathlib.Path(__file__).with_name("explained.json").read_text())
    return report(tally, differences, reasons, places)


def run(describe, certificates):
    """Runs our program, which has a line for each certificate."""
    stream = b"".join(len(der).to_bytes(4, "big") + der for der in certificates)
    done = subprocess.run([describe], input=stream, stdout=subprocess.PIPE, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def pairs(line, theirs, der):
    """`(field, ours, expected)` for all there is to compare of one certificate."""
    if theirs is None:
        # A request, a CRL: it must not pass for a certificate.
        yield "is_certificate", line["fields"]["parse_error"] is None, False
        return
    yield from field_pairs(line["fields"], theirs)
    leaf = dict(line["message"]["data"]["leaf_cert"])
    shown = {f"extensions.{key}": value for key, value in leaf.pop("extensions").items()}
    yield from member_pairs("message.", leaf | shown, calidog.leaf_cert(theirs, der))


def field_pairs(ours, theirs):
    ours, theirs = dict(ours), dict(theirs)
    ours["serial"] = int.from_bytes(bytes.fromhex(ours["serial"]), "big", signed=True)
    theirs["is_ca"] = calidog.is_ca(theirs)
    listed, expected = ours.pop("extensions"), theirs.pop("extensions")
    yield from member_pairs("", ours, theirs)
    names = [[each["oid"], each["critical"]] for each in listed]
    yield "extensions", names, [[oid, critical] for oid, critical, _ in expected]
    for each, (oid, _, value) in zip(listed, expected):
        yield f"extensions.{oid}", each["value"], value


def member_pairs(prefix, ours, theirs):
    for key in sorted(ours.keys() | theirs.keys()):
        yield prefix + key, ours.get(key), theirs.get(key)


def explains(reason, difference):
    """Whether all that a reason says of a difference is so."""
    return all(getattr(difference, key) == reason[key] for key in reason.keys() - {"reason"})


def report(tally, differences, reasons, places):
    used = [any(explains(reason, each) for each in differences) for reason in reasons]
    unused = [reason for reason, is_used in zip(reasons, used) if not is_used]
    unexplained = [
        each for each in differences if not any(explains(reason, each) for reason in reasons)
    ]
    for each in unexplained[:SHOWN]:
        print(f"{places[each.sha256]} {each.sha256}\n  {each.field}")
        print(f"    ours   {json.dumps(each.ours)}\n    theirs {json.dumps(each.theirs)}")
    for reason in unused:
        print("explained, but does not occur:", json.dumps(reason))
    print(
        f"{tally['certificates']} certificates,",
        f"{tally['certificates']} compared ({tally['field by field']} of them field by field),",
        f"{tally['fields']} fields,",
        f"{len(differences) - len(unexplained)} explained,",
        f"{len(unexplained)} unexplained",
    )
    print(
        f"cryptography {cryptography.__version__} refuses {tally['refused']} fields more;",
        f"{tally['other files']} other files passed for certificates on neither side",
    )
    return 1 if unexplained or unused else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
