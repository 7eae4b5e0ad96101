"""Tools of crt.sh with a server in place of crt.sh: certspy from PyPI as it is, and the requests of tools that are not in Python."""

import datetime
import hashlib
import os
import ssl
import time

import requests
from certspy.certspy import certspy

ADDRESS = os.environ["HISTORY_ADDRESS"]
DOMAIN = "co.uk"
# As subfinder, assetfinder and amass, theHarvester, findomain, and shell scripts write them.
REQUESTS = [
    "https://crt.sh/?q=%25.{}&output=json",
    "https://crt.sh/?q=%.{}&output=json",
    "https://crt.sh/?q=%25.{}&exclude=expired&deduplicate=Y&output=json",
    "https://crt.sh/?Identity=%25.{}&output=json",
    "https://crt.sh/?dNSName=%25.{}&output=json&match=ILIKE",
    "https://crt.sh/?q=%25.{}&output=JSON",
]

send = requests.adapters.HTTPAdapter.send


def elsewhere(adapter, request, **options):
    """Sends a request to another host. It is the only thing that is changed. Repeats it while the server is too busy to
    search everything in time, which crt.sh's form has no way to continue."""
    request.url = request.url.replace("https://crt.sh/", f"http://{ADDRESS}/")
    for _ in range(10):
        answer = send(adapter, request, **options)
        if answer.headers.get("certstream-complete") in (None, "true"):
            return answer
    raise AssertionError("not all was searched in time")


requests.adapters.HTTPAdapter.send = elsewhere


def api():
    """The certificates of the domain, by offset, and the last offset that was searched."""
    found, cursor = {}, {}
    while True:
        path = f"http://{ADDRESS}/api/search"
        page = requests.get(path, params={"domain": DOMAIN, "limit": 1000, **cursor}, timeout=60).json()
        found.update({result["offset"]: result for result in page["results"]})
        if page["cursor"] is None:
            return found, page["searched"]["until"]
        cursor = {"cursor": page["cursor"]}


def names(result, is_below):
    lower = {name.lower().removesuffix(".") for name in result["all_domains"]}
    return {name for name in lower if name.endswith(f".{DOMAIN}") or (name == DOMAIN and not is_below)}


def instant(text):
    return datetime.datetime.fromisoformat(text).replace(tzinfo=datetime.timezone.utc).timestamp()


def check(rows, found, last, is_below=True):
    """Compares rows with what the API finds."""
    # What was published since is only in the rows.
    rows = [row for row in rows if row["id"] <= last]
    expected = {offset: names(result, is_below) for offset, result in found.items()}
    expected = {offset: each for offset, each in expected.items() if each}
    assert {row["id"]: set(row["name_value"].split("\n")) for row in rows} == expected
    assert [row["id"] for row in rows] == sorted(expected, reverse=True), "the newest is not the first"
    for row in rows:
        result = found[row["id"]]
        assert row["serial_number"] == result["serial_number"].lower(), row
        assert row["common_name"] == result["subject"].get("CN"), row
        assert f"CN={result['issuer']['CN']}" in row["issuer_name"], row
        assert instant(row["not_before"]) == result["not_before"], row
        assert instant(row["not_after"]) == result["not_after"], row
        assert 0 < instant(row["entry_timestamp"]) < time.time() + 60, row
        assert row["result_count"] == len(expected[row["id"]]), row


while True:
    found, last = api()
    if len(found) > 20:
        break
    time.sleep(0.2)
now = time.time()
valid = {offset: result for offset, result in found.items() if result["not_after"] >= now}
check(certspy().search(DOMAIN), found, last)
check(certspy().search(DOMAIN, expired=False), valid, last)
# Without % it is the domain too, and everything below.
check(certspy().search(DOMAIN, wildcard=False), found, last, is_below=False)
for url in REQUESTS:
    answer = requests.get(url.format(DOMAIN), timeout=60)
    assert answer.status_code == 200, f"{url}: {answer.status_code} {answer.text}"
    assert answer.headers["content-type"] == "application/json", url
    if "deduplicate" not in url:
        check(answer.json(), found, last)
        continue
    # A precertificate and its final certificate are one.
    rows = answer.json()
    kinds = [(row["issuer_name"], row["serial_number"]) for row in rows]
    assert len(set(kinds)) == len(kinds) > 0, "a certificate is there twice"
    missing = {result["serial_number"].lower() for result in valid.values() if names(result, True)}
    assert missing <= {row["serial_number"] for row in rows}
# The page of this server links to certificates on crt.sh by their fingerprints.
newest = max(found)
fingerprint = found[newest]["sha256"].replace(":", "").lower()
for query in (f"q={fingerprint}&output=json", f"sha256={fingerprint}&output=json", f"id={newest}&output=json"):
    rows = requests.get(f"https://crt.sh/?{query}", timeout=60).json()
    assert [row["serial_number"] for row in rows] == [found[newest]["serial_number"].lower()], f"{query}: {rows}"
pem = requests.get(f"https://crt.sh/?d={newest}", timeout=60).text
assert hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest() == fingerprint, "the download is another certificate"
refused = requests.get("https://crt.sh/?O=Example&output=json", timeout=60)
assert refused.status_code == 400 and "O: " in refused.text, f"{refused.status_code} {refused.text}"
print(f"{len(found)} certificates of {DOMAIN}")
