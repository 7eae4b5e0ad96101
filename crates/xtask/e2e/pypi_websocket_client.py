"""PyPI websocket-client, which has no compression: the stream, a resume, pings, closing."""

import struct
import sys

import websocket
from websocket import ABNF

from common import MESSAGES, WS, Offsets, connected

QUESTION = b"are you there"


def connect(path):
    return websocket.create_connection(WS + path, timeout=60)


def read_until(socket, offsets, opcode):
    """Reads messages up to a control frame, which is returned."""
    while True:
        got, frame = socket.recv_data_frame(control_frame=True)
        if got == opcode:
            return frame.data
        if got == ABNF.OPCODE_TEXT:
            offsets.take(frame.data)


def check_stream():
    offsets = Offsets()
    socket = connect(offsets.path)
    assert "sec-websocket-extensions" not in socket.getheaders(), socket.getheaders()
    socket.ping(QUESTION)
    assert read_until(socket, offsets, ABNF.OPCODE_PONG) == QUESTION
    while offsets.count < MESSAGES:
        offsets.take(socket.recv())
    # The library answers it.
    read_until(socket, offsets, ABNF.OPCODE_PING)
    socket.send("ping")
    socket.send_close(1000, b"enough")
    (code,) = struct.unpack("!H", read_until(socket, offsets, ABNF.OPCODE_CLOSE)[:2])
    assert code == 1000, code
    assert socket.sock.recv(1) == b"", "the server ends the connection"


def check_resume():
    offsets = Offsets()
    for connection in range(12):
        socket = connect(offsets.path)
        for _ in range(2 + connection * connection):
            offsets.take(socket.recv())
        # Without a closing handshake.
        socket.shutdown()


def stay():
    offsets = Offsets()
    socket = connect("/")
    offsets.take(socket.recv())
    connected()
    (code,) = struct.unpack("!H", read_until(socket, offsets, ABNF.OPCODE_CLOSE)[:2])
    assert code == 1001, code


if sys.argv[1:] == ["stay"]:
    stay()
else:
    check_resume()
    check_stream()
