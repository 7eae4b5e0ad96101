"""Lists the contents of a bucket: bucket.py ENDPOINT parts|rows|once NUMBER LOG_URL..."""

import io
import os
import sys

import boto3
import pyarrow as pa
import pyarrow.parquet

import once


def main(endpoint, what, number, urls):
    store = boto3.client("s3", endpoint_url=endpoint)
    listed = store.list_objects_v2(Bucket="certs", Prefix="some/where/date=").get("Contents", [])
    keys = [item["Key"] for item in listed]
    assert all("/hour=" in key and key.endswith(".parquet") for key in keys), keys
    if what == "parts":
        return len(keys) >= number
    bodies = [store.get_object(Bucket="certs", Key=key)["Body"].read() for key in keys]
    tables = [pyarrow.parquet.read_table(io.BytesIO(body)) for body in bodies]
    rows = sum(table.num_rows for table in tables)
    if what == "rows":
        return rows >= number
    once.check(pa.concat_tables(tables), number // len(urls), urls)
    return rows == number


is_so = main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
# At once: threads of pyarrow may still run, and abort a process that takes its time to end.
os._exit(0 if is_so else 1)
