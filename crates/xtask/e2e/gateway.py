"""TLS with client certificates, and SASL, in front of a broker that has neither.

`gateway.py certificates FOLDER` writes an authority, and certificates for 127.0.0.1 and for a client.
`gateway.py serve FOLDER PORT BROKER_PORT USER PASSWORD` serves: SCRAM by `scramp`, PLAIN by comparing.
"""

import asyncio
import datetime
import ipaddress
import pathlib
import ssl
import struct
import sys

import scramp
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HANDSHAKE, VERSIONS, AUTHENTICATE = 17, 18, 36
ILLEGAL_STATE, UNSUPPORTED, FAILED = 34, 33, 58
SCRAM = ("SCRAM-SHA-256", "SCRAM-SHA-512")
LARGEST = 16 << 20


def certificates(folder):
    now = datetime.datetime.now(datetime.timezone.utc)
    authority = ec.generate_private_key(ec.SECP256R1())
    issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority of a test")])

    def certificate(name, key, extensions):
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
        parent = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.public_key())
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        for extension in [*extensions, parent, own]:
            critical = isinstance(extension, (x509.BasicConstraints, x509.KeyUsage))
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(authority, hashes.SHA256())

    def write(name, certificate, key):
        pem = serialization.Encoding.PEM
        (folder / f"{name}.pem").write_bytes(certificate.public_bytes(pem))
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, form, plain))

    basic = x509.BasicConstraints(ca=True, path_length=None)
    usage = x509.KeyUsage(*[False] * 5, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
    write("ca", certificate("authority of a test", authority, [basic, usage]), authority)
    names = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    for name, extensions in [("broker", [x509.SubjectAlternativeName(names)]), ("client", [])]:
        key = ec.generate_private_key(ec.SECP256R1())
        write(name, certificate(name, key, extensions), key)


class Client:
    """A connection, until its user is known."""

    def __init__(self, broker, user, password):
        self.broker = broker
        self.user = user
        self.password = password
        self.mechanism = None
        self.scram = None

    async def greet(self, reader, writer, to_broker, from_broker):
        """Answers requests until the client has proved who it is."""
        while True:
            frame = await read(reader)
            api, version, number, size = struct.unpack_from(">hhih", frame)
            body = frame[10 + max(size, 0) :]
            if api == VERSIONS:
                send(to_broker, frame)
                send(writer, await read(from_broker))
                continue
            if api == HANDSHAKE:
                send(writer, struct.pack(">i", number) + self.handshake(body))
                continue
            if api != AUTHENTICATE:
                raise ConnectionError(f"request {api} before the user is known")
            flexible = version >= 2
            said = self.said(body, flexible)
            error, text, answer, is_done = self.authenticate(said)
            send(writer, struct.pack(">i", number) + reply(version, error, text, answer))
            if error:
                raise ConnectionError(text)
            if is_done:
                return

    def handshake(self, body):
        (size,) = struct.unpack_from(">h", body)
        self.mechanism = body[2 : 2 + size].decode()
        known = [*SCRAM, "PLAIN"]
        error = 0 if self.mechanism in known else UNSUPPORTED
        names = b"".join(struct.pack(">h", len(name)) + name.encode() for name in known)
        return struct.pack(">hi", error, len(known)) + names

    @staticmethod
    def said(body, flexible):
        if not flexible:
            (size,) = struct.unpack_from(">i", body)
            return body[4 : 4 + size]
        # The tags of the header, then compact bytes.
        assert body[0] == 0, body
        size, shift, at = 0, 0, 1
        while True:
            size |= (body[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if body[at - 1] < 0x80:
                return body[at : at + size - 1]

    def authenticate(self, said):
        if self.mechanism == "PLAIN":
            _, user, password = said.decode().split("\0")
            if (user, password) == (self.user, self.password):
                return 0, None, b"", True
            return FAILED, "Authentication failed: Invalid username or password", b"", False
        if self.mechanism not in SCRAM:
            return ILLEGAL_STATE, "no mechanism", b"", False
        if self.scram is None:
            mechanism = scramp.ScramMechanism(self.mechanism)
            known = {self.user: mechanism.make_auth_info(self.password)}
            self.scram = mechanism.make_server(known.__getitem__)
            self.scram.set_client_first(said.decode())
            return 0, None, self.scram.get_server_first().encode(), False
        try:
            self.scram.set_client_final(said.decode())
        except scramp.ScramException:
            text = f"Authentication failed during authentication due to invalid credentials with SASL mechanism {self.mechanism}"
            return FAILED, text, b"", False
        return 0, None, self.scram.get_server_final().encode(), True


def reply(version, error, text, answer):
    if version < 2:
        head = struct.pack(">h", error)
        head += struct.pack(">h", -1) if text is None else struct.pack(">h", len(text)) + text.encode()
        life = struct.pack(">q", 0) if version == 1 else b""
        return head + struct.pack(">i", len(answer)) + answer + life

    def compact(content):
        size, out = len(content) + 1, b""
        while size >= 0x80:
            out, size = out + bytes([size & 0x7F | 0x80]), size >> 7
        return out + bytes([size]) + content

    shown = b"\0" if text is None else compact(text.encode())
    return b"\0" + struct.pack(">h", error) + shown + compact(answer) + struct.pack(">q", 0) + b"\0"


async def read(reader):
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    assert 0 < size <= LARGEST, size
    return await reader.readexactly(size)


def send(writer, frame):
    writer.write(struct.pack(">i", len(frame)) + frame)


async def copy(reader, writer):
    while part := await reader.read(1 << 16):
        writer.write(part)
        await writer.drain()


async def serve(folder, port, broker, user, password):
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=folder / "ca.pem")
    context.load_cert_chain(folder / "broker.pem", folder / "broker.key")
    context.verify_mode = ssl.CERT_REQUIRED

    async def connected(reader, writer):
        from_broker, to_broker = await asyncio.open_connection("127.0.0.1", broker)
        try:
            client = Client(broker, user, password)
            await client.greet(reader, writer, to_broker, from_broker)
            both = [copy(reader, to_broker), copy(from_broker, writer)]
            tasks = [asyncio.ensure_future(one) for one in both]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        except (OSError, EOFError, KeyError) as error:
            print(repr(error), flush=True)
        finally:
            writer.close()
            to_broker.close()

    server = await asyncio.start_server(connected, "127.0.0.1", port, ssl=context)
    async with server:
        await server.serve_forever()


if sys.argv[1] == "certificates":
    certificates(pathlib.Path(sys.argv[2]))
else:
    folder, port, broker, user, password = sys.argv[2:]
    asyncio.run(serve(pathlib.Path(folder), int(port), int(broker), user, password))
