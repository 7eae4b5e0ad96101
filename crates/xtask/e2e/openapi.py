"""REST: every answer is what the OpenAPI document says (schemathesis)."""

import os
import subprocess
import sys
import time

import requests
import schemathesis

BASE = f"http://{os.environ['ADDRESS']}"
DOCUMENT = f"{BASE}/api/openapi.json"


def newest_certificate():
    while True:
        messages = requests.get(f"{BASE}/latest.json", timeout=30).json()["messages"]
        if messages:
            return messages[0]["data"]["leaf_cert"]
        time.sleep(0.1)


def concrete():
    """The answers about a certificate that is there, in every spelling, and the others as they are."""
    schema = schemathesis.openapi.from_url(DOCUMENT)
    leaf = newest_certificate()
    for name in ("sha1", "sha256", "fingerprint"):
        for text in (leaf[name], leaf[name].lower(), leaf[name].replace(":", "")):
            answer = requests.get(f"{BASE}/api/cert/{text}", timeout=30)
            assert answer.status_code == 200, f"/api/cert/{text}: {answer.status_code}"
            schema["/api/cert/{hash}"]["GET"].validate_response(answer)
    for path in ("/api/stats", "/api/logs", "/stats", "/latest.json", "/health/deep", "/health/ready"):
        answer = requests.get(f"{BASE}{path}", timeout=30)
        assert answer.status_code == 200, f"{path}: {answer.status_code}"
        schema[path]["GET"].validate_response(answer)
    searches()


def searches():
    """Pages of searches, and rows in the form of crt.sh, of a server with a journal."""
    base = f"http://{os.environ['HISTORY_ADDRESS']}"
    schema = schemathesis.openapi.from_url(f"{base}/api/openapi.json")
    page = {}
    while not page.get("results"):
        page = requests.get(f"{base}/api/search?limit=3", timeout=30).json()
    for query in ("limit=3", "order=oldest&unique=name&limit=3", "domain=nowhere.invalid"):
        answer = requests.get(f"{base}/api/search?{query}", timeout=30)
        assert answer.status_code == 200, f"{query}: {answer.text}"
        schema["/api/search"]["GET"].validate_response(answer)
    domain = page["results"][0]["all_domains"][0].removeprefix("*.")
    for name, status in ((domain, 200), ("nowhere.invalid", 404)):
        answer = requests.get(f"{base}/api/first-seen?domain={name}", timeout=30)
        assert answer.status_code == status, f"{name}: {answer.text}"
        schema["/api/first-seen"]["GET"].validate_response(answer)
    answer = requests.get(f"{base}/crtsh?q=%25.com&output=json", timeout=30)
    assert answer.status_code == 200, answer.text
    schema["/crtsh"]["GET"].validate_response(answer)


def generated():
    """Runs the requests that schemathesis generates."""
    settings = os.path.join(os.path.dirname(__file__), "openapi.toml")
    words = ["st", "--config-file", settings, "run", DOCUMENT, "--url", BASE]
    words += ["--checks", "all", "--max-examples", "15", "--no-color"]
    words += ["--phases", "examples,coverage,fuzzing", "--generation-deterministic"]
    run = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout)


concrete()
generated()
