"""Python websockets: every path, the order of offsets, a resume without seam, pings."""

import asyncio
import json
import urllib.request

import websockets

from common import ADDRESS, WS, check_certificate

PATHS = ["/", "/full-stream", "/full-stream/", "/domains-only", "/domains-only/"]


async def read(path, count):
    async with websockets.connect(WS + path) as socket:
        return [json.loads(await socket.recv()) for _ in range(count)]


async def check_path(path):
    messages = await read(path, 20)
    offsets = [message["offset"] for message in messages]
    assert offsets == sorted(set(offsets)), offsets
    for message in messages:
        if path.startswith("/domains-only"):
            assert message["message_type"] == "dns_entries" and message["data"], message
        else:
            check_certificate(message, full=path.startswith("/full"))


async def check_resume():
    """Left and come back: nothing twice, nothing missing."""
    first = await read("/", 10)
    last = first[-1]["offset"]
    await asyncio.sleep(1)
    second = await read(f"/?since={last}", 30)
    offsets = [message["offset"] for message in second]
    assert offsets == list(range(last + 1, last + 31)), (last, offsets)


async def check_gap():
    """An offset this server never gave: told so, then served."""
    messages = await read("/?since=1", 3)
    assert messages[0]["message_type"] == "gap", messages[0]
    check_certificate(messages[1], full=False)


async def check_ping():
    async with websockets.connect(WS + "/") as socket:
        pong = await socket.ping(b"are you there")
        await asyncio.wait_for(pong, 10)
        await socket.send("text from a client is ignored")
        check_certificate(json.loads(await socket.recv()), full=False)


async def check_refusal():
    try:
        await read("/?since=yesterday", 1)
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 400, refused
    else:
        raise AssertionError("since=yesterday was accepted")


async def main():
    await asyncio.gather(*(check_path(path) for path in PATHS))
    await asyncio.gather(check_resume(), check_gap(), check_ping(), check_refusal())
    with urllib.request.urlopen(f"http://{ADDRESS}/latest.json") as answer:
        latest = json.load(answer)["messages"]
    assert 0 < len(latest) <= 25, len(latest)
    offsets = [message["offset"] for message in latest]
    assert offsets == sorted(offsets, reverse=True), offsets


asyncio.run(asyncio.wait_for(main(), 100))
