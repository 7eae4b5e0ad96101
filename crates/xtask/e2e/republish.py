"""Sets the positions of running outputs of a cluster to 0: republish.py NATS_URL OUTPUT..."""

import asyncio
import json
import sys

import nats
from nats.js.errors import KeyNotFoundError


async def main(url, outputs):
    client = await nats.connect(url)
    bucket = await client.jetstream().key_value("ctlog-state")
    for output in outputs:
        key = f"cursor.{output}"
        async with asyncio.timeout(60):
            while True:
                try:
                    entry = await bucket.get(key)
                    break
                except KeyNotFoundError:
                    await asyncio.sleep(0.1)
        value = json.loads(entry.value)
        value["cursor"]["next"] = 0
        await bucket.put(key, json.dumps(value).encode())
    await client.close()


asyncio.run(main(sys.argv[1], sys.argv[2:]))
