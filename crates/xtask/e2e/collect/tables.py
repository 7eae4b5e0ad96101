"""Every format, read by every program, against the truth: tables.py FOLDER TRUTH LOG_URL..."""

import base64
import glob
import json
import sys
import urllib.error
import urllib.request
from collections import Counter

import duckdb
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.feather

import truth
from readers import from_arrow, from_duckdb, from_pandas, from_polars


def feather(path):
    certs = pyarrow.feather.read_table(path, memory_map=False)
    yield "pandas", from_pandas(pd.read_feather(path))
    yield "pyarrow", from_arrow(certs)
    yield "polars", from_polars(pl.read_ipc(path))
    yield "duckdb", from_duckdb(duckdb.sql('SELECT * FROM certs ORDER BY "offset"'))


def parts(folder, extension):
    files = sorted(glob.glob(f"{folder}/date=*/hour=*/*.{extension}"), key=lambda it: it[-16:])
    assert len(files) > 2, files
    dataset = pyarrow.dataset.dataset(files, format=extension)
    # Polars reads every file of a folder, hidden or not: there must be none but closed parts.
    scan = pl.scan_ipc if extension == "feather" else pl.scan_parquet
    assert scan(folder).collect().height == dataset.count_rows()
    yield "pyarrow.dataset", from_arrow(dataset.to_table())
    if extension == "feather":
        yield "pandas", from_pandas(pd.concat([pd.read_feather(it) for it in files]))
        yield "polars", from_polars(pl.concat([pl.read_ipc(it) for it in files]))
        return
    yield "pandas", from_pandas(pd.concat([pd.read_parquet(it) for it in files]))
    yield "polars", from_polars(pl.concat([pl.read_parquet(it) for it in files]))
    certs = duckdb.read_parquet(f"{folder}/*/*/*.parquet", hive_partitioning=False)
    yield "duckdb", from_duckdb(certs.order('"offset"'))
    whole = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive")
    assert whole.count_rows() == sum(pyarrow.dataset.dataset(it).count_rows() for it in files)


def compare(what, found, expected, with_der):
    columns = [column for column in expected[0] if with_der or column != "as_der"]
    assert len(found) == len(expected), (what, len(found), len(expected))
    for place, (row, wanted) in enumerate(zip(found, expected)):
        assert list(row) == columns, (what, list(row))
        for column in columns:
            assert row[column] == wanted[column], (what, place, column, row[column], wanted[column])


def served(url):
    """The submitted certificates of an RFC 6962 log, as the simulator serves them."""
    found, start = {}, 0
    with urllib.request.urlopen(f"{url.rstrip('/')}/ct/v1/get-sth") as answer:
        size = json.load(answer)["tree_size"]
    while start < size:
        page = f"{url.rstrip('/')}/ct/v1/get-entries?start={start}&end={size - 1}"
        with urllib.request.urlopen(page) as answer:
            for entry in json.load(answer)["entries"]:
                leaf = base64.b64decode(entry["leaf_input"])
                is_precertificate = leaf[10:12] == b"\x00\x01"
                # Both have the certificate behind its length of three bytes.
                source = base64.b64decode(entry["extra_data"]) if is_precertificate else leaf[12:]
                length = int.from_bytes(source[:3], "big")
                kind = "PrecertLogEntry" if is_precertificate else "X509LogEntry"
                submitted = int.from_bytes(leaf[2:10], "big")
                found[start] = (kind, submitted, source[3 : 3 + length])
                start += 1
    return found


def compare_with_logs(rows, urls):
    """The rows of each log that can be asked for entries: all of them, byte by byte."""
    checked = 0
    for url in urls:
        try:
            entries = served(url)
        except urllib.error.HTTPError:
            continue  # a log of tiles
        mine = [row for row in rows if row["source_url"] == url.rstrip("/")]
        assert [row["cert_index"] for row in mine] == list(range(len(entries))), url
        for row in mine:
            submitted = round(row["submitted"].timestamp() * 1000)
            entry = (row["update_type"], submitted, row["as_der"])
            assert entry == entries[row["cert_index"]], (url, row["cert_index"])
        checked += 1
    assert checked >= 2, "no log could be asked"


def main(folder, recorded, urls):
    expected = truth.rows(recorded)
    counts = Counter(row["source_url"] for row in expected)
    assert len(counts) == len(urls) and len(set(counts.values())) == 1, counts
    for name in ["none", "lz4", "zstd"]:
        for reader, found in feather(f"{folder}/{name}/certstream_data.feather"):
            compare(f"{name} by {reader}", found, expected, name == "zstd")
            if name == "zstd" and reader == "pyarrow":
                compare_with_logs(found, urls)
    for reader, found in parts(f"{folder}/parts/certstream_data", "feather"):
        compare(f"parts by {reader}", found, expected, False)
    for reader, found in parts(f"{folder}/parquet/certstream_data", "parquet"):
        compare(f"parquet by {reader}", found, expected, True)


main(sys.argv[1], sys.argv[2], sys.argv[3:])
