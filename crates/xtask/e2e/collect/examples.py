"""The examples of the documentation, run as they stand: examples.py FOLDER TRUTH DOCUMENT."""

import contextlib
import io
import os
import re
import sys
from collections import Counter

import truth

WORDS = ["login", "secure", "account", "verify", "paypal"]


def main(folder, recorded, document):
    rows = truth.rows(recorded)
    names = truth.names(rows)
    registered = [domain for row in rows for domain in row["registered_domain"]]
    top = Counter(domain for domain in registered if domain)
    issuers = Counter(row["issuer_o"] or "(none)" for row in rows)
    suspicious = sorted({name for name in names if any(word in name for word in WORDS)})
    assert suspicious, "there is something to find"
    with open(document, encoding="utf-8") as text:
        found = re.findall(r"<!-- example: (\w+) -->\n```python[^\n]*\n(.*?)```", text.read(), re.S)
    assert [name for name, _ in found] == ["pandas", "polars", "duckdb_feather", "duckdb_parquet"]
    for name, code in found:
        os.chdir(f"{folder}/{'parquet' if name == 'duckdb_parquet' else 'zstd'}")
        result = {}
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(code, name, "exec"), result)
        assert printed.getvalue(), name
        check(name, result, top, issuers, suspicious)


def pairs(value):
    """Names with numbers, whatever the program gives them in."""
    if hasattr(value, "to_dict") and hasattr(value, "index"):
        return value.to_dict()
    if hasattr(value, "rows"):
        return dict(value.rows())
    return dict(value)


def check(name, result, top, issuers, suspicious):
    assert pairs(result["by_issuer"]) == dict(issuers), (name, result["by_issuer"])
    if "top_domains" not in result:
        return
    mine = pairs(result["top_domains"])
    assert len(mine) == min(10, len(top)), (name, mine)
    # Where several have as many, any of them will do.
    assert sorted(mine.values()) == sorted(count for _, count in top.most_common(10)), (name, mine)
    assert all(top[domain] == count for domain, count in mine.items()), (name, mine)
    listed = result["suspicious"]
    if hasattr(listed, "to_series"):
        listed = listed.to_series().to_list()
    elif hasattr(listed, "tolist"):
        listed = listed.tolist()
    else:
        listed = [name for (name,) in listed]
    assert listed == suspicious, (name, listed[:5], suspicious[:5])


main(sys.argv[1], sys.argv[2], sys.argv[3])
