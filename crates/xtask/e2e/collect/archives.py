"""Archives of simulated logs, read by every program, against what the logs serve.

archives.py PROGRAM LIST_URL FOLDER NOTEBOOK
"""

import base64
import copy
import glob
import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections import Counter

import duckdb
import nbclient
import nbformat
import pandas as pd
import polars as pl
import pyarrow.dataset
import pyarrow.feather

import truth
from readers import from_arrow, from_duckdb, from_pandas, from_polars

COLUMNS = """submitted cert_index update_type domains registered_domain subject subject_cn issuer
issuer_cn issuer_o serial_number fingerprint sha256 not_before not_after signature_algorithm is_ca
source_name source_url source_operator log_id cert_link as_der reversed_name leaf_hash leaf
row_digest""".split()
WITHOUT_DER = [name for name in COLUMNS if name not in ("as_der", "leaf")]


def get(url):
    with urllib.request.urlopen(url) as answer:
        return answer.read()


class Bytes:
    """Bytes that are read from the front."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        assert self.at + count <= len(self.data)
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def counted(self, size):
        return self.take(self.number(size))


def leaf_of(read):
    """The MerkleTreeLeaf at the front, without its first two bytes, and the certificate in it."""
    start = read.at
    submitted, is_precertificate = read.number(8), read.number(2) == 1
    if is_precertificate:
        read.take(32)
    certificate = read.counted(3)
    read.counted(2)
    return submitted, is_precertificate, certificate, read.data[start : read.at]


def row(submitted, is_precertificate, der, leaf):
    return {
        "update_type": "PrecertLogEntry" if is_precertificate else "X509LogEntry",
        "submitted": submitted,
        "as_der": der,
        "leaf": leaf,
        "leaf_hash": hashlib.sha256(b"\0" + leaf).digest(),
    }


def served_by_rfc6962(url):
    size = json.loads(get(f"{url}ct/v1/get-sth"))["tree_size"]
    rows = []
    while len(rows) < size:
        page = json.loads(get(f"{url}ct/v1/get-entries?start={len(rows)}&end={size - 1}"))
        for entry in page["entries"]:
            leaf = base64.b64decode(entry["leaf_input"])
            submitted, is_precertificate, der, rest = leaf_of(Bytes(leaf[2:]))
            assert leaf == b"\0\0" + rest
            if is_precertificate:
                der = Bytes(base64.b64decode(entry["extra_data"])).counted(3)
            rows.append(row(submitted, is_precertificate, der, leaf))
    return rows


def tile_path(level, index, width=256):
    digits = f"{index:03}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + (f".p/{width}" if width < 256 else "")


def tiles(level, size):
    """The paths of the tiles of a level, of a tree of this size."""
    count = size if level == "data" else size >> (8 * level)
    for index in range(-(-count // 256)):
        yield tile_path(level, index, min(256, count - index * 256))


def served_by_tiles(url):
    size = int(get(f"{url}checkpoint").split(b"\n")[1])
    rows, issuers = [], set()
    for path in tiles("data", size):
        read = Bytes(get(f"{url}{path}"))
        while read.at < len(read.data):
            submitted, is_precertificate, der, leaf = leaf_of(read)
            if is_precertificate:
                der = read.counted(3)
            names = read.counted(2)
            issuers |= {names[at : at + 32].hex() for at in range(0, len(names), 32)}
            rows.append(row(submitted, is_precertificate, der, b"\0\0" + leaf))
    assert len(rows) == size
    return rows, issuers


def pack(url, entry, path, rows, issuers):
    """Writes a zip as photocamera-archiver does, of a log that has less than 256³ entries."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as packed:
        packed.comment = b"an archive (1 of 1)"
        packed.writestr("README.txt", "This is an archive of a Certificate Transparency log")
        packed.writestr("checkpoint", get(f"{url}checkpoint"))
        packed.writestr("log.v3.json", json.dumps(entry))
        for issuer in sorted(issuers):
            name = f"issuer/{issuer}"
            packed.writestr(name, get(f"{url}{name}"), zipfile.ZIP_DEFLATED)
        for level in (1, 0):
            for name in tiles(level, len(rows)):
                packed.writestr(name, get(f"{url}{name}"))
        for name in tiles("data", len(rows)):
            packed.writestr(name, get(f"{url}{name}"), zipfile.ZIP_DEFLATED)


def check(found, expected, columns, what):
    """Compares rows with what the logs serve, in order, and derived columns with those they are of."""
    assert len(found) == len(expected), (what, len(found), len(expected))
    for place, (mine, wanted) in enumerate(zip(found, expected)):
        assert [name for name in mine if name != "log"] == columns, (what, list(mine))
        for name, value in wanted.items():
            if name == "submitted":
                assert round(mine[name].timestamp() * 1000) == value, (what, place)
            elif name in columns:
                assert mine[name] == value, (what, place, name, mine[name], value)
        names = mine["domains"]
        assert mine["registered_domain"] == [truth.registered(name) for name in names], what
        reversed_name = ".".join(reversed(names[0].lower().split("."))) if names else None
        assert mine["reversed_name"] == reversed_name, (what, place)


def readers(archive):
    """The rows of Parquet files, in order, by every program; DuckDB reads by the views of the archive."""
    files = sorted(glob.glob(f"{archive}/log=*/*.parquet"))
    whole = pyarrow.dataset.dataset(archive, format="parquet", partitioning="hive")
    yield "pyarrow", from_arrow(whole.to_table())
    yield "pandas", from_pandas(pd.read_parquet(archive))
    yield "polars", from_polars(pl.scan_parquet(files, hive_partitioning=True).collect())
    yield "duckdb", from_duckdb(duckdb.sql("FROM certificates"))


def check_views(rows):
    """The views of DuckDB, against the same counted here."""
    names = [(name, domain) for row in rows for name, domain in zip(row["domains"], row["registered_domain"])]
    assert duckdb.sql("SELECT count(*) FROM names").fetchall() == [(len(names),)]
    domains = {}
    for name, domain in names:
        if domain:
            domains.setdefault(domain, set()).add(name)
    found = duckdb.sql("SELECT registered_domain, names FROM registered_domains").fetchall()
    assert dict(found) == {domain: len(names) for domain, names in domains.items()}
    firsts = [row["domains"][0].lower() for row in rows if row["domains"]]
    wanted = Counter(truth.registered(name) for name in firsts).most_common(3)
    for domain in [domain for domain, _ in wanted] + ["com", "COM", "absent.example"]:
        below = sum(f".{name}".endswith(f".{domain.lower()}") for name in firsts)
        assert duckdb.execute("SELECT count(*) FROM below(?)", [domain]).fetchall() == [(below,)], domain


def check_filters(archive):
    """The bloom filters of hashes admit the values of a file, and rule out others."""
    for path in glob.glob(f"{archive}/log=*/*.parquet"):
        for column in ["sha256", "fingerprint", "serial_number"]:
            [(value,)] = duckdb.sql(f"SELECT {column} FROM '{path}' LIMIT 1").fetchall()

            def excludes(probed):
                probe = f"SELECT bloom_filter_excludes FROM parquet_bloom_probe('{path}', '{column}', '{probed}')"
                [(excluded,)] = duckdb.sql(probe).fetchall()
                return excluded

            assert not excludes(value), (path, column, value)
            # A filter admits a few values that are not there.
            excluded = sum(excludes(f"absent {number} {value}") for number in range(10))
            assert excluded >= 8, (path, column, excluded)


def run_notebook(path, folder):
    notebook = nbformat.read(path, 4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and not any(cell.outputs for cell in code), "the notebook is kept without outputs"
    client = nbclient.NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": folder}}
    )
    # Without ports.
    client.create_kernel_manager().transport = "ipc"
    client.execute()
    assert any(cell.outputs for cell in code)


def main(program, list_url, folder, notebook):
    os.chdir(folder)

    def run(*arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, (arguments, done.stderr)
        return done.stdout + done.stderr

    listed = json.loads(get(list_url))
    logs, expected = {}, []
    for operator in listed["operators"]:
        for entry in operator.get("logs", []):
            logs[entry["log_id"]] = (served_by_rfc6962(entry["url"]), entry)
        for entry in operator.get("tiled_logs", []):
            rows, issuers = served_by_tiles(entry["monitoring_url"])
            logs[entry["log_id"]] = (rows, entry)
            tiled = (entry, rows, issuers)

    backfill = ["backfill", "--list", list_url, "--part-entries", "512"]
    run(*backfill, "--all", "--with-der", "-o", "archive")
    run(*backfill, "--all", "--format", "feather", "-o", "feather")
    folders = sorted(glob.glob("archive/log=*"))
    assert len(folders) == len(logs) >= 2, folders
    for path in folders:
        part = pl.read_parquet(sorted(glob.glob(f"{path}/*"))[0], columns=["log_id"])
        rows, _ = logs[part["log_id"][0]]
        expected += [{**row, "cert_index": index} for index, row in enumerate(rows)]
    duckdb.execute(run("views", "archive"))
    for name, found in readers("archive"):
        check(found, expected, COLUMNS, name)
    check_views(found)
    check_filters("archive")
    files = sorted(glob.glob("feather/log=*/*.feather"))
    plain = [row for path in files for row in from_arrow(pyarrow.feather.read_table(path))]
    check(plain, expected, WITHOUT_DER, "feather")

    zips(backfill, run, listed, tiled)
    run_notebook(notebook, folder)

    before = {(row["log_id"], row["cert_index"]): row for row in found}
    run("compact", "--sort", "name", "archive")
    assert "WRONG" not in run("verify", "archive")
    for name, found in readers("archive"):
        mine = {(row["log_id"], row["cert_index"]): row for row in found}
        assert mine == before, name
    check_views(found)


def zips(backfill, run, listed, tiled):
    """A log in a zip, which the list has, and which only its own description names."""
    entry, rows, issuers = tiled
    os.mkdir("zips")
    pack(entry["monitoring_url"], entry, "zips/000.zip", rows, issuers)
    without = copy.deepcopy(listed)
    for operator in without["operators"]:
        kept = [log for log in operator.get("tiled_logs", []) if log["log_id"] != entry["log_id"]]
        operator["tiled_logs"] = kept
    with open("without.json", "w", encoding="utf-8") as file:
        json.dump(without, file)
    expected = [{**row, "cert_index": index} for index, row in enumerate(rows)]
    for source, arguments, warns in [
        ("zips", [], False),
        ("zips/000.zip", ["--list", "without.json"], True),
    ]:
        output = f"of-{len(arguments)}"
        words = [word for word in backfill if not arguments or word not in backfill[1:3]]
        said = run(*words, *arguments, "--with-der", "--log", f"file:{source}", "-o", output)
        assert ("compare the LogID" in said) == warns, said
        found = from_polars(pl.scan_parquet(f"{output}/log=*/*.parquet").collect())
        check(found, expected, COLUMNS, source)
        assert {row["log_id"] for row in found} == {entry["log_id"]}
        run("verify", output)


main(*sys.argv[1:])
