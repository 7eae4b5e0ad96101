"""Each entry of each log exactly once: once.py FILE ENTRIES LOG_URL..."""

import sys

import pyarrow.feather


def check(table, entries, urls):
    logs = {}
    columns = table.select(["source_url", "cert_index"]).to_pydict()
    for url, index in zip(columns["source_url"], columns["cert_index"]):
        logs.setdefault(url, []).append(index)
    assert sorted(logs) == sorted(url.rstrip("/") for url in urls), list(logs)
    for url, found in logs.items():
        lost = entries - len(set(found))
        double = len(found) - len(set(found))
        assert (lost, double) == (0, 0), (url, f"{lost} lost, {double} double")
        assert set(found) == set(range(entries)), url


if __name__ == "__main__":
    check(pyarrow.feather.read_table(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
