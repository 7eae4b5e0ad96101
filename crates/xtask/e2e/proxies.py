"""A reverse proxy with its file from docs/hosting.md, between clients and a server, over TLS.

Usage: proxies.py nginx|caddy|haproxy FILE, with the server's HOST:PORT in SERVER. The streams are
silent after their last message: what a proxy holds back never comes.
"""

import asyncio
import datetime
import ipaddress
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import urllib.request

import websockets
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME, FILE = sys.argv[1], pathlib.Path(sys.argv[2])
SERVER = os.environ["SERVER"]
FOLDER = FILE.parent
CHAIN, KEY, BOTH = FOLDER / "fullchain.pem", FOLDER / "privkey.pem", FOLDER / "certstream.pem"
# Seconds for anything; what is held back does not come in a day either.
PATIENCE = 60
# A client may claim to be another one.
CLAIMED = {"X-Forwarded-For": "192.0.2.1"}
# Streams for one address, as docs/hosting.md allows them.
LIMIT = 20


def free_port():
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


PORT, PLAIN = free_port(), free_port()


def write_certificate():
    """A self-signed certificate for localhost."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(1))
    builder = builder.not_valid_after(now + datetime.timedelta(9))
    names = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = serialization.Encoding.PEM
    chain = builder.sign(key, hashes.SHA256()).public_bytes(pem)
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    private = key.private_bytes(pem, form, plain)
    CHAIN.write_bytes(chain)
    KEY.write_bytes(private)
    BOTH.write_bytes(chain + private)


# What differs on this machine: ports, certificates, and what only root may do.
TEMPORARY = "".join(
    f"{use}_temp_path {FOLDER}/{use}; " for use in ["client_body", "proxy", "fastcgi", "scgi", "uwsgi"]
)
HERE = {
    "nginx": [
        ("user www-data;", "daemon off;"),
        ("worker_rlimit_nofile 65536;", ""),
        ("/run/nginx.pid", f"{FOLDER}/nginx.pid"),
        ("/var/log/nginx/error.log", "stderr"),
        ("32768", "256"),
        ("http {", f"http {{ {TEMPORARY}"),
        ("listen [::]:80;", ""),
        ("listen [::]:443 ssl http2;", ""),
        ("listen 80;", f"listen 127.0.0.1:{PLAIN};"),
        ("listen 443 ", f"listen 127.0.0.1:{PORT} "),
        ("/etc/letsencrypt/live/certstream.example.org", str(FOLDER)),
        ("server_name certstream.example.org;", "server_name localhost;"),
    ],
    "caddy": [
        (
            "certstream.example.org {",
            "{\n admin off\n auto_https disable_redirects\n}\n"
            f"https://localhost:{PORT} {{\n bind 127.0.0.1\n tls {CHAIN} {KEY}",
        ),
    ],
    "haproxy": [
        ("    user haproxy\n    group haproxy\n", ""),
        ("maxconn 20000", "maxconn 200"),
        ("bind :::80 v4v6", f"bind 127.0.0.1:{PLAIN}"),
        ("bind :::443 v4v6", f"bind 127.0.0.1:{PORT}"),
        ("/etc/haproxy/certstream.pem", str(BOTH)),
    ],
}
COMMAND = {
    "nginx": ["nginx", "-e", "stderr", "-c", str(FILE)],
    "caddy": ["caddy", "run", "--adapter", "caddyfile", "--config", str(FILE)],
    "haproxy": ["haproxy", "-db", "-f", str(FILE)],
}


def start_proxy():
    text = FILE.read_text()
    for old, new in [("127.0.0.1:8080", SERVER), *HERE[NAME]]:
        assert old in text, f"{old!r} is not in {FILE}"
        text = text.replace(old, new)
    FILE.write_text(text)
    home = {"HOME": str(FOLDER), "XDG_DATA_HOME": str(FOLDER), "XDG_CONFIG_HOME": str(FOLDER)}
    return subprocess.Popen(COMMAND[NAME], env={**os.environ, **home}, cwd=FOLDER)


def curl(source, *arguments):
    """A client at an address of its own."""
    return [
        "curl", "--silent", "--cacert", str(CHAIN), "--interface", source,
        "--resolve", f"localhost:{PORT}:127.0.0.1", "--header", f"X-Forwarded-For: {CLAIMED['X-Forwarded-For']}",
        *arguments,
    ]


def status(source, path):
    command = curl(source, "--output", "/dev/null", "--write-out", "%{http_code}")
    url = f"https://localhost:{PORT}{path}"
    return subprocess.run([*command, url], stdout=subprocess.PIPE, check=False).stdout.decode()


def server(path):
    with urllib.request.urlopen(f"http://{SERVER}{path}") as answer:
        return answer.read().decode()


async def until(what, check):
    """Waits until the check returns something."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not (found := await asyncio.to_thread(check)):
        assert asyncio.get_running_loop().time() < deadline, what
        await asyncio.sleep(0.1)
    return found


def last_offset():
    """The newest offset, once both logs are read."""
    lines = dict(line.rsplit(" ", 1) for line in server("/metrics").splitlines() if line[0] != "#")
    return lines["certstream_ring_messages"] == "80" and json.loads(server("/example.json"))["offset"]


def connect(source, path="/domains-only"):
    trust = ssl.create_default_context(cafile=str(CHAIN))
    return websockets.connect(
        f"wss://localhost:{PORT}{path}", host="127.0.0.1", ssl=trust, local_addr=(source, 0),
        additional_headers=CLAIMED, open_timeout=PATIENCE,
    )


async def check_websocket(source, last):
    """Every message comes, and compression passes through. Returns the open connection."""
    client = await connect(source, "/domains-only?compat=calidog&since=0")
    extensions = client.response.headers["Sec-WebSocket-Extensions"]
    assert extensions and extensions.startswith("permessage-deflate"), extensions
    while json.loads(await client.recv()).get("offset") != last:
        pass
    return client


async def check_sse(source, last, *options):
    """Every event comes, over HTTP/2. Returns the open connection and its headers."""
    path = "/sse?stream=domains&compat=calidog&since=0"
    command = curl(source, "--include", "--no-buffer", "--http2", *options)
    client = await asyncio.create_subprocess_exec(
        *command, f"https://localhost:{PORT}{path}", stdout=subprocess.PIPE,
    )
    lines, identifier = [], None
    while True:
        line = (await client.stdout.readline()).decode().strip()
        assert line or client.returncode is None, lines
        lines.append(line.lower())
        if line.startswith("id: "):
            identifier = line
        # A heartbeat has the offset too, but no data.
        if line.startswith("data: ") and json.loads(line[6:]).get("offset") == last:
            break
    assert identifier is not None and lines[0].startswith("http/2 200"), lines[:9]
    return client, lines


async def check_limit(source, other):
    """An address gets as many streams as the page allows; that does not concern others."""
    clients = [await connect(source) for _ in range(LIMIT)]
    try:
        await connect(source)
        raise AssertionError("one stream too many is accepted")
    except websockets.InvalidStatus as error:
        assert error.response.status_code == 429, error
    clients.append(await connect(other))
    await asyncio.gather(*(client.close() for client in clients))


async def check(last, base):
    source = (f"127.0.0.{base + number}" for number in range(9))
    at = [next(source) for _ in range(5)]
    await until("the proxy serves", lambda: status(at[0], "/example.json") == "200")
    timed = asyncio.wait_for
    socket_client = await timed(check_websocket(at[0], last), PATIENCE)
    plain, _ = await timed(check_sse(at[1], last), PATIENCE)
    gzip, lines = await timed(check_sse(at[2], last, "--compressed"), PATIENCE)
    assert "content-encoding: gzip" in lines, lines[:9]
    users = json.loads(server("/stats"))["current_users"].values()
    seen = {user["ip_address"] for user in users}
    assert seen >= set(at[:3]) and not seen & {"127.0.0.1", *CLAIMED.values()}, seen
    await timed(check_limit(at[3], at[4]), PATIENCE)
    for path in ["/metrics", "/health", "/health/deep"]:
        assert status(at[0], path) == "404", path
    await socket_client.close()
    for client in [plain, gzip]:
        client.kill()
        await client.wait()


async def main():
    write_certificate()
    proxy = start_proxy()
    try:
        last = await until("the logs are read", last_offset)
        # Each proxy has clients of its own.
        await check(last, 20 + 20 * list(COMMAND).index(NAME))
    finally:
        proxy.terminate()
        proxy.wait()


asyncio.run(main())
