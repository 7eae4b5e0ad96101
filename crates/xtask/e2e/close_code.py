"""Stays connected until the server goes away, which must be with close code 1001."""

import asyncio
import sys

import websockets

from common import WS


async def main():
    async with websockets.connect(WS + "/") as socket:
        await socket.recv()
        # One byte tells the caller that the client is connected.
        sys.stdout.write("!")
        sys.stdout.flush()
        try:
            while True:
                await socket.recv()
        except websockets.exceptions.ConnectionClosed as closed:
            assert closed.rcvd is not None and closed.rcvd.code == 1001, closed


asyncio.run(asyncio.wait_for(main(), 60))
