"""The clients of docs/clients.md against a server that cuts messages and sends certificates twice.

Run by `cargo xtask docs` with the folder that has their files. The server plays a script: one
connection after the other, what the client has to ask for in each, and what it then gets.
"""

import asyncio
import json
import os
import pathlib
import re
import shutil
import sys
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import serve as serve_websockets

FOLDER = pathlib.Path(sys.argv[1])
PATIENCE = 60
HEAD = (
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n"
    "transfer-encoding: chunked\r\n\r\n"
)


class Script:
    """The connections of one client: pairs of the offset it has to resume from and what it gets."""

    def __init__(self, *connections):
        self.connections = list(connections)
        self.errors = []
        self.done = asyncio.Event()

    def begin(self, since):
        """The messages of the next connection. The one after the last stays open and gets nothing."""
        if not self.connections:
            return None
        expected, sent = self.connections.pop(0)
        if since != expected:
            self.errors.append(f"resumed from {since}, not from {expected}")
            self.done.set()
        if not self.connections:
            self.done.set()
        return sent


async def serve_events(script):
    """Serves events in chunks, as the real server does, and cuts each connection behind its text."""

    async def answer(reader, writer):
        request = (await reader.readuntil(b"\r\n\r\n")).decode()
        headers = dict(line.split(": ", 1) for line in request.split("\r\n")[1:] if line)
        headers = {name.lower(): value for name, value in headers.items()}
        query = parse_qs(urlsplit(request.split(" ")[1]).query)
        since = headers.get("last-event-id") or query.get("since", [None])[0]
        text = script.begin(since)
        writer.write(HEAD.encode())
        if text is None:
            await reader.read()
        else:
            writer.write(f"{len(text):x}\r\n{text}\r\n".encode())
            await writer.drain()
        writer.close()

    return await asyncio.start_server(answer, "127.0.0.1", 0)


async def serve_messages(script):
    """Serves messages over WebSocket and closes each connection behind them."""

    async def answer(socket):
        query = parse_qs(urlsplit(socket.request.path).query)
        messages = script.begin(query.get("since", [None])[0])
        if messages is None:
            await socket.wait_closed()
            return
        for message in messages:
            await socket.send(json.dumps(message))

    return await serve_websockets(answer, "127.0.0.1", 0)


async def run(name, words, server, script, files=None):
    """Runs a client in a folder of its own; returns what it has printed once the script is over."""
    port = next(iter(server.sockets)).getsockname()[1]
    folder = FOLDER / name.replace(" ", "-")
    folder.mkdir()
    for file in ["follow.sh", "alert.py", "main.go"]:
        text = (FOLDER / file).read_text().replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        (folder / file).write_text(text)
    for file, text in (files or {}).items():
        (folder / file).write_text(text)
    if words[0] == "go":
        environment = os.environ | {"GO111MODULE": "off", "GOCACHE": str(FOLDER / "go-cache")}
        build = ["go", "build", "-o", "client", "main.go"]
        building = await asyncio.create_subprocess_exec(*build, cwd=folder, env=environment)
        assert await building.wait() == 0, "main.go cannot be built"
        words = ["./client"]
    said = (folder / "said").open("w")
    process = await asyncio.create_subprocess_exec(
        *words, cwd=folder, stdout=said, stderr=asyncio.subprocess.DEVNULL, start_new_session=True
    )
    try:
        await asyncio.wait_for(script.done.wait(), PATIENCE)
    except asyncio.TimeoutError:
        script.errors.append("did not connect as often as it should")
    if process.returncode is None:
        os.killpg(process.pid, 9)
    else:
        script.errors.append(f"ended with status {process.returncode}")
    await process.wait()
    server.close()
    lines = (folder / "said").read_text().splitlines()
    assert not script.errors, f"{name}: {script.errors}, printed {lines}"
    return folder, lines


def names(offset, name):
    """An event of the domains stream."""
    message = {"message_type": "dns_entries", "data": [name], "offset": offset}
    return f"id: {offset}\ndata: {json.dumps(message)}\n\n"


async def check_cuts(name, words, printed=lambda line: line):
    """Each event is printed once, wherever the connections were cut."""
    whole = names(42, "b.example")
    first = names(41, "a.example")
    cuts = ["id: 4", "id: 42", "id: 42\n", "id: 42\ndata: {", whole[:-2], whole[:-1]]
    connections = [(None, first + cuts[0])] + [("41", cut) for cut in cuts[1:]]
    # The offset of a heartbeat counts as well, as soon as all of it is there.
    connections += [("41", whole + "id: 49\n\nid: 5"), ("49", names(51, "c.example")), ("51", "")]
    script = Script(*connections)
    _, lines = await run(name, words, await serve_events(script), script)
    lines = [printed(line) for line in lines]
    assert lines == ["a.example", "b.example", "c.example"], f"{name}: {lines}"


async def check_damaged(name, words, file, text, serve, message):
    """A client begins now where the file it resumes from is damaged, and then writes a whole one."""
    script = Script((None, message), ("41", message[:0]))
    folder, lines = await run(name, words, await serve(script), script, {file: text})
    assert len(lines) > 0, f"{name}: printed nothing"
    assert (folder / file).read_text().strip() not in ("", text), f"{name}: {file} is not written"


def certificate(offset, entry, serial):
    """A message about an entry of a log."""
    issuer = {"O": "Some CA", "aggregated": "/C=US/CN=R1/O=Some CA"}
    leaf = {"all_domains": ["login.example.org"], "issuer": issuer, "serial_number": serial}
    data = {"update_type": entry, "cert_index": offset, "leaf_cert": leaf}
    return {"message_type": "certificate_update", "data": data, "offset": offset}


async def check_alert(python):
    """One alert for a precertificate and its final certificate, also when they come again."""
    pair = [certificate(7, "PrecertLogEntry", "0A"), certificate(8, "X509LogEntry", "0A")]
    again = [certificate(19, "X509LogEntry", "0A"), certificate(20, "PrecertLogEntry", "0B")]
    script = Script((None, pair), ("8", again), ("20", []))
    folder, lines = await run("alert", python, await serve_messages(script), script)
    alerts = [line for line in lines if line.startswith("new certificate:")]
    assert len(alerts) == 2, f"alert.py: {lines}"
    # It is started again with what it has saved.
    saved = {"alert.json": (folder / "alert.json").read_text()}
    script = Script(("20", again), ("20", []))
    _, lines = await run("alert again", python, await serve_messages(script), script, saved)
    assert not any(line.startswith("new certificate:") for line in lines), f"alert.py: {lines}"


def check_pages():
    """The documented requests of programs ask for each alert once, and for offsets where they resume."""
    root = pathlib.Path(__file__).parents[4]
    alerts = resumes = 0
    for page in ["README.md", "docs/start.md", "docs/clients.md"]:
        for block in re.findall(r"```sh,\S+\n(.*?)```", (root / page).read_text(), re.S):
            if re.search("domain[= ]example.org", block):
                assert re.search("entry[= ]precert", block), f"{page} alerts twice: {block}"
                alerts += 1
            if "since=$" in block:
                assert "compat=calidog" in block, f"{page} resumes without offsets: {block}"
                resumes += 1
    assert (alerts, resumes) == (4, 2), (alerts, resumes)


async def main():
    check_pages()
    shell, python = ["bash", "follow.sh"], [sys.executable, "alert.py"]
    checks = [check_cuts("shell", shell, lambda line: json.loads(line)["data"][0])]
    checks.append(check_alert(python))
    if shutil.which("go"):
        checks.append(check_cuts("go", ["go"]))
    else:
        print("docs: main.go was not cut, for there is no go")
    event, message = names(41, "a.example"), [certificate(41, "PrecertLogEntry", "0A")]
    # As a disk that was full, an editor or a crash of the machine leaves them.
    for number, text in enumerate(["", "\n", "4x"]):
        name = f"shell damaged {number}"
        checks.append(check_damaged(name, shell, "last-id", text, serve_events, event))
    for number, text in enumerate(["", '{"since": 4', "[]", '{"since": "x", "known": []}']):
        name = f"alert damaged {number}"
        checks.append(check_damaged(name, python, "alert.json", text, serve_messages, message))
    # All of them end what they have started, also where one fails.
    outcomes = await asyncio.gather(*checks, return_exceptions=True)
    failures = [outcome for outcome in outcomes if outcome is not None]
    if failures:
        sys.exit("\n".join(str(failure) for failure in failures))
    print(f"docs: {len(checks)} checks of the documented clients")


asyncio.run(main())
