"""The command line of PyPI certstream: plain, --full and --json."""

import json
import re
import subprocess
import sys

from common import WS, check_certificate

LINES = 20


def lines(*arguments):
    """The first lines the command prints."""
    command = [sys.executable, "-m", "certstream.cli", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        return [process.stdout.readline() for _ in range(LINES)]
    finally:
        process.kill()
        process.wait()


plain = re.compile(r"^\[\d{4}-\d\d-\d\dT[^\]]+\] http\S+ - .* $")
for line in lines("--url", f"{WS}/", "--disable-colors"):
    assert plain.match(line), line
with_names = re.compile(r"^\[\d{4}-[^\]]+\] http\S+ - .* \[.*\]$")
for line in lines("--url", f"{WS}/", "--disable-colors", "--full"):
    assert with_names.match(line), line
for line in lines("--url", f"{WS}/", "--json"):
    check_certificate(json.loads(line), full=False)
for line in lines("--url", f"{WS}/full-stream", "--json"):
    check_certificate(json.loads(line), full=True)
for line in lines("--url", f"{WS}/domains-only/", "--json"):
    message = json.loads(line)
    assert message["message_type"] == "dns_entries" and message["data"][0], message
