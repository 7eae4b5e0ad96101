"""Writes a corpus for ctsim: the real entries of a folder, and every certificate in its other files as an entry of one more log.

python corpus.py DATA TARGET
"""

import base64
import csv
import hashlib
import json
import pathlib
import re
import sys

PEM = re.compile(rb"-----BEGIN CERTIFICATE-----\s*([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
# A get-entries answer has this many.
AT_ONCE = 500
TIME = 1_700_000_000_000


def certificates(path):
    contents = path.read_bytes()
    if path.suffix in (".der", ".crt", ".cer") and contents[:2] == b"\x30\x82":
        yield contents
    for found in PEM.findall(contents):
        try:
            yield base64.b64decode(b"".join(found.split()), validate=True)
        except ValueError:
            # A file that is made to be wrong as text.
            continue


def entry(number, der):
    """A leaf of RFC 6962 section 3.4 with a certificate, and no chain."""
    leaf = b"\0\0" + (TIME + number).to_bytes(8) + b"\0\0" + len(der).to_bytes(3) + der + b"\0\0"
    text = lambda data: base64.b64encode(data).decode()
    return {"leaf_input": text(leaf), "extra_data": text(bytes(3))}


data, target = pathlib.Path(sys.argv[1]).absolute(), pathlib.Path(sys.argv[2])
csv.field_size_limit(sys.maxsize)
for kind in ("rfc6962", "tiles"):
    (target / kind).mkdir(parents=True)
    for folder in (data / kind).iterdir():
        (target / kind / folder.name).symlink_to(folder)
found = {}
for path in sorted((data / "certs").rglob("*")) + sorted((data / "vectors").rglob("*")):
    if path.is_file():
        for der in certificates(path):
            found.setdefault(hashlib.sha256(der).digest(), der)
others = list(found.values())
folder = target / "rfc6962" / "others"
folder.mkdir()
for start in range(0, len(others), AT_ONCE):
    entries = [entry(start + number, der) for number, der in enumerate(others[start:start + AT_ONCE])]
    (folder / f"{start:09}.json").write_text(json.dumps({"entries": entries}))
print(len(others))
