"""PyPI websockets: every path, with and without compression, resumes, pings, closing."""

import asyncio
import json
import sys
import urllib.request

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

from common import (
    ADDRESS, DEFLATE, DEFLATE_EACH, MESSAGES, WS, Offsets, check_certificate, connected,
)

PATHS = ["/", "/full-stream", "/full-stream/", "/domains-only", "/domains-only/"]
COMPRESSIONS = [None, "deflate"]
EXTENSIONS = {None: None, "deflate": DEFLATE}


class Connection(ClientConnection):
    """Counts the pings that the library answers by itself."""

    pings = 0

    def process_event(self, event):
        self.pings += getattr(event, "opcode", None) is Opcode.PING
        super().process_event(event)


def connect(path, compression=None, **options):
    # With a bounded queue, the library takes ten seconds to close a connection it has not read up.
    options |= {"max_queue": None, "create_connection": Connection}
    return websockets.connect(WS + path, compression=compression, **options)


def extensions(socket):
    return socket.response.headers.get("Sec-WebSocket-Extensions")


async def read(path, count):
    async with connect(path) as socket:
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


async def check_stream(compression):
    """Long enough for a ping of the server; the library sends some and insists on an answer."""
    offsets = Offsets()
    keepalive = {"ping_interval": 1, "ping_timeout": 10}
    async with connect(offsets.path, compression, **keepalive) as socket:
        assert extensions(socket) == EXTENSIONS[compression], socket.response
        while offsets.count < MESSAGES or socket.pings == 0:
            offsets.take(await socket.recv())
        await asyncio.wait_for(await socket.ping(b"are you there"), 10)
        await socket.send("text from a client is ignored")
        await socket.send([b"and so ", b"are ", b"bytes"])
        offsets.take(await socket.recv())
    assert socket.protocol.close_rcvd.code == 1000, socket.protocol.close_rcvd


async def check_resume(compression):
    """Cut off and come back: nothing twice, nothing missing."""
    offsets = Offsets()
    for connection in range(12):
        async with connect(offsets.path, compression) as socket:
            for _ in range(2 + connection * connection):
                offsets.take(await socket.recv())
            socket.transport.abort()
        await asyncio.sleep(connection * 0.02)


async def check_declined():
    """A message compressed by itself, and a window that nobody else has: none, but a stream."""
    factories = [
        (ClientPerMessageDeflateFactory(server_no_context_takeover=True), DEFLATE_EACH),
        (ClientPerMessageDeflateFactory(server_max_window_bits=10), None),
    ]
    for factory, expected in factories:
        offsets = Offsets()
        async with connect(offsets.path, extensions=[factory]) as socket:
            assert extensions(socket) == expected, socket.response
            for _ in range(100):
                offsets.take(await socket.recv())


async def check_gap():
    """An offset this server never gave: told so, then served."""
    messages = await read("/?since=1", 3)
    assert messages[0]["message_type"] == "gap", messages[0]
    check_certificate(messages[1], full=False)


async def check_refusal():
    try:
        await read("/?since=yesterday", 1)
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 400, refused
    else:
        raise AssertionError("since=yesterday was accepted")


def check_latest():
    with urllib.request.urlopen(f"http://{ADDRESS}/latest.json") as answer:
        latest = json.load(answer)["messages"]
    assert 0 < len(latest) <= 25, len(latest)
    offsets = [message["offset"] for message in latest]
    assert offsets == sorted(offsets, reverse=True), offsets


async def check_all():
    checks = [check_path(path) for path in PATHS]
    checks += [check_stream(compression) for compression in COMPRESSIONS]
    checks += [check_resume(compression) for compression in COMPRESSIONS]
    await asyncio.gather(*checks, check_declined(), check_gap(), check_refusal())
    check_latest()


async def stay():
    """Until the server goes away, which must be with close code 1001."""

    async def one(path, compression):
        offsets = Offsets()
        async with connect(path, compression) as socket:
            offsets.take(await socket.recv())
            yield
            try:
                while True:
                    offsets.take(await socket.recv())
            except websockets.exceptions.ConnectionClosed as closed:
                assert closed.rcvd is not None and closed.rcvd.code == 1001, closed
            yield

    clients = [one("/", compression) for compression in COMPRESSIONS]
    await asyncio.gather(*map(anext, clients))
    connected()
    await asyncio.gather(*map(anext, clients))


asyncio.run(asyncio.wait_for(stay() if sys.argv[1:] == ["stay"] else check_all(), 100))
