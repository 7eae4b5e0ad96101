"""The profiles that imitate other servers, one connection each: what their clients would notice."""

import asyncio
import json

import websockets

from common import WS

GO_LEAF = (
    "all_domains as_der extensions fingerprint sha1 sha256 not_after not_before serial_number"
    " signature_algorithm subject issuer is_ca"
).split()
RUST_LEAF = (
    "subject issuer serial_number not_before not_after fingerprint sha1 sha256"
    " signature_algorithm is_ca all_domains as_der extensions"
).split()


def connect(path):
    # With a bounded queue, the library takes ten seconds to close a connection it has not read up.
    return websockets.connect(WS + path, max_queue=None)


async def read(path, check):
    """Checks frames until there were some with and some without a common name."""
    seen = {True: 0, False: 0}
    async with connect(path) as socket:
        while min(seen.values()) < 3 or sum(seen.values()) < 20:
            frame = await socket.recv()
            message = json.loads(frame)
            if message["message_type"] == "heartbeat":
                continue
            check(frame, message)
            seen[bool(message["data"]["leaf_cert"]["subject"].get("CN"))] += 1


def without_der(keys, full):
    return [key for key in keys if full or key != "as_der"]


def go(full):
    def check(frame, message):
        assert frame.endswith("}\n") and frame.count("\n") == 1, frame
        assert list(message) == ["data", "message_type"], frame
        data = message["data"]
        assert list(data["source"]) == ["name", "url", "timestamp", "type"], frame
        certificates = [data["leaf_cert"], *data.get("chain", [])]
        assert list(data["leaf_cert"]) == without_der(GO_LEAF, full), frame
        for certificate in certificates:
            assert all(isinstance(certificate[name]["CN"], str) for name in ("subject", "issuer"))
            assert "/CN=" in certificate["subject"]["aggregated"], frame
            assert certificate["subject"]["email_address"] is None, frame
            extensions = certificate["extensions"].items()
            assert all(isinstance(v, str) for k, v in extensions if k != "ctlPoisonByte"), frame
            assert "extendedKeyUsage" not in certificate["extensions"], frame
        if full:
            assert all(issuer["as_der"] for issuer in data["chain"]), frame

    return check


def rust(full):
    def check(frame, message):
        assert frame.startswith('{"message_type":"certificate_update","data":{"update_type":"')
        assert not frame.endswith("\n"), frame
        data = message["data"]
        assert list(data["source"]) == ["name", "url"], frame
        assert list(data["leaf_cert"]) == without_der(RUST_LEAF, full), frame
        for certificate in [data["leaf_cert"], *data.get("chain", [])]:
            for name in (certificate["subject"], certificate["issuer"]):
                assert None not in name.values() and "emailAddress" not in name, frame
                assert ("CN" in name) == ("/CN=" in name["aggregated"]), frame
        for issuer in data.get("chain", []):
            assert "as_der" not in issuer and "all_domains" not in issuer, frame

    return check


async def domains(profile, start, end, greeting):
    async with connect(f"/domains-only?compat={profile}") as socket:
        if greeting:
            assert await socket.recv() == greeting
        for _ in range(5):
            frame = await socket.recv()
            assert frame.startswith(start) and frame.endswith(end), frame
            assert json.loads(frame)["data"][0], frame


async def unknown():
    try:
        await read("/?compat=perl", go(full=False))
    except websockets.exceptions.InvalidStatus as refused:
        assert refused.response.status_code == 400, refused
    else:
        raise AssertionError("compat=perl was accepted")


async def main():
    await asyncio.gather(
        read("/?compat=go", go(full=False)),
        read("/full-stream?compat=go", go(full=True)),
        read("/?compat=rust", rust(full=False)),
        read("/full-stream/?compat=rust", rust(full=True)),
        domains("go", '{"data":["', '"],"message_type":"dns_entries"}', None),
        # The Rust server sends a heartbeat on connecting, whatever the stream.
        domains(
            "rust",
            '{"message_type":"dns_entries","data":["',
            '"]}',
            '{"message_type":"heartbeat"}',
        ),
        unknown(),
    )


asyncio.run(asyncio.wait_for(main(), 100))
