"""PyPI aiohttp: WebSocket with and without compression, and SSE with and without gzip."""

import asyncio
import json
import sys

import aiohttp
from aiohttp import WSMsgType

from common import HTTP, MESSAGES, Offsets, connected

# The window of the decompressor in bits; 0 is no compression.
COMPRESSIONS = [15, 0]
ENCODINGS = ["gzip", "identity"]
QUESTION = b"are you there"


class Events:
    """Reads server-sent events."""

    def __init__(self, offsets):
        self.offsets = offsets

    async def open(self, session, encoding, start="?since=0"):
        headers = {"Accept-Encoding": encoding}
        if self.offsets.last is not None:
            headers["Last-Event-ID"] = str(self.offsets.last)
        url = f"{HTTP}/sse" if self.offsets.last else f"{HTTP}/sse{start}"
        answer = await session.get(url, headers=headers)
        assert answer.status == 200 and answer.content_type == "text/event-stream", answer
        expected = None if encoding == "identity" else encoding
        assert answer.headers.get("Content-Encoding") == expected, answer
        return answer

    async def take(self, answer):
        """One event; false at the end of the stream."""
        event, lines = None, {}
        while event != b"\n":
            event = await answer.content.readline()
            if event == b"":
                assert not lines, "the stream ends inside an event"
                return False
            name, _, value = event.decode().rstrip("\n").partition(": ")
            lines[name] = value
        if "data" not in lines:
            return True  # a heartbeat
        self.offsets.take(lines["data"])
        if lines.get("event") == "gap":
            assert json.loads(lines["data"])["message_type"] == "gap", lines
        else:
            assert int(lines["id"].split("@")[0]) == self.offsets.last, lines
        return True


async def frame(socket, offsets):
    """The next frame that is not a message of the stream."""
    while True:
        got = await socket.receive()
        if got.type is not WSMsgType.TEXT:
            return got
        offsets.take(got.data)


async def check_websocket(session, compress):
    offsets = Offsets()
    url = HTTP + offsets.path
    socket = await session.ws_connect(url, compress=compress, autoping=False, autoclose=False)
    assert socket.compress == compress, socket.compress
    await socket.ping(QUESTION)
    pong = await frame(socket, offsets)
    assert pong.type is WSMsgType.PONG and bytes(pong.data) == QUESTION, pong
    while offsets.count < MESSAGES:
        offsets.take(await socket.receive_str())
    ping = await frame(socket, offsets)
    assert ping.type is WSMsgType.PING, ping
    await socket.pong(ping.data)
    # Compressed as well where that was agreed on.
    await socket.send_str("text from a client is ignored " * 20)
    await socket.ping(b"still?")
    assert (await frame(socket, offsets)).type is WSMsgType.PONG
    await socket.close(code=1000)
    assert socket.close_code == 1000, socket.close_code


async def check_websocket_resume(session, compress):
    offsets = Offsets()
    for connection in range(12):
        socket = await session.ws_connect(HTTP + offsets.path, compress=compress)
        for _ in range(2 + connection * connection):
            offsets.take(await socket.receive_str())
        socket.get_extra_info("socket").shutdown(2)


async def check_events(session, encoding):
    """Cut off again and again; the last connection reads long."""
    events = Events(Offsets())
    for connection in range(12):
        answer = await events.open(session, encoding)
        for _ in range(2 + connection * connection):
            assert await events.take(answer)
        answer.close()
    answer = await events.open(session, encoding)
    while events.offsets.count < MESSAGES:
        assert await events.take(answer)
    answer.close()


async def check_all(session):
    checks = [check_websocket(session, compress) for compress in COMPRESSIONS]
    checks += [check_websocket_resume(session, compress) for compress in COMPRESSIONS]
    checks += [check_events(session, encoding) for encoding in ENCODINGS]
    await asyncio.gather(*checks)


async def stay(session):
    """Until the server goes away: close code 1001, and events that end as HTTP and gzip want it."""
    sockets = [await session.ws_connect(HTTP, compress=compress) for compress in COMPRESSIONS]
    streams = []
    for encoding in ENCODINGS:
        events = Events(Offsets())
        # From the newest message on: one that has much to read yet is cut off.
        streams.append((events, await events.open(session, encoding, start="")))

    async def socket_end(socket):
        offsets = Offsets()
        closed = await frame(socket, offsets)
        assert closed.type is WSMsgType.CLOSE and closed.data == 1001, closed

    async def events_end(events, answer):
        while await events.take(answer):
            pass

    connected()
    ends = [socket_end(socket) for socket in sockets]
    await asyncio.gather(*ends, *(events_end(*stream) for stream in streams))


async def main():
    timeout = aiohttp.ClientTimeout(total=None, sock_read=60)
    async with aiohttp.ClientSession(timeout=timeout) as session:
        await (stay(session) if sys.argv[1:] == ["stay"] else check_all(session))


asyncio.run(asyncio.wait_for(main(), 100))
