"""Records a server's full stream from its oldest message on: record.py URL COUNT FILE."""

import asyncio
import json
import sys

import websockets


async def record(url, count, path):
    url = f"{url.rstrip('/')}/full-stream?since=0"
    with open(path, "w", encoding="utf-8") as out:
        async with websockets.connect(url, max_size=None, compression=None) as socket:
            while count > 0:
                text = await asyncio.wait_for(socket.recv(), 120)
                if json.loads(text)["message_type"] == "certificate_update":
                    out.write(text + "\n")
                    count -= 1


asyncio.run(record(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
