"""E-mail to SMTP servers with and without TLS: `alerts test` reports the reply of each, and no password."""

import email
import email.policy
import json
import os
import re
import socket
import ssl
import subprocess

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER = b"certstream"
PASSWORD = b"a password of mail, 33b9"
# Receivers: the security, the file with the password, the reply to a message, and what the command prints.
RECEIVERS = {
    "plain": ("none", None, "250 ok", "took the alert"),
    "tls": ("tls", "right", "250 ok", "took the alert"),
    "starttls": ("starttls", "right", "250 ok", "took the alert"),
    "password": ("starttls", "wrong", "250 ok", "it answers 535 to user and password"),
    "spam": ("none", None, "550 5.7.1 spam", "refuses the alert: it answers 550: 5.7.1 spam"),
    "busy": ("none", None, "451 busy", "did not take the alert: it answers 451: busy"),
}
TAKING = {"plain", "tls", "starttls"}


class Mailbox:
    """The messages that a server got, and whether they came encrypted."""

    def __init__(self, reply):
        self.reply = reply
        self.messages = []

    async def handle_DATA(self, server, session, envelope):
        is_encrypted = server.transport.get_extra_info("ssl_object") is not None
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append((is_encrypted, bool(session.authenticated), envelope.rcpt_tos, message))
        return self.reply


def authenticate(server, session, envelope, mechanism, login):
    return AuthResult(success=(login.login, login.password) == (USER, PASSWORD), handled=False)


def start(security, password, mailbox, tls):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"hostname": "127.0.0.1", "server_hostname": "localhost", "port": port}
    if password:
        options |= {"authenticator": authenticate, "auth_required": True}
    if security == "tls":
        # Without `auth_require_tls`, because it knows of STARTTLS only.
        options |= {"ssl_context": tls, "auth_require_tls": False}
    if security == "starttls":
        options |= {"tls_context": tls, "require_starttls": True}
    controller = Controller(mailbox, **options)
    controller.start()
    return controller


def receiver(folder, name, port):
    security, password, _, _ = RECEIVERS[name]
    described = {"name": name, "type": "email", "smtp_server": f"localhost:{port}", "smtp_security": security}
    described |= {"from": "CT <ct@certs.example>", "to": ["ops@certs.example", "soc@certs.example"]}
    if password:
        described |= {"user": USER.decode(), "password_file": str(folder / password)}
    return described


def run(config, name, authorities):
    command = ["certstream-server", "--config", config, "alerts", "test", name]
    environment = os.environ | {"SSL_CERT_FILE": str(authorities)}
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)
    said = ran.stdout + ran.stderr
    assert PASSWORD.decode() not in said, said
    return ran.returncode == 0, said


def check(folder):
    """Checks each reply, and the messages."""
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(tls)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trustme.CA().cert_pem.write_to_path(folder / "other.pem")
    (folder / "right").write_bytes(PASSWORD + b"\n")
    (folder / "wrong").write_text("wrong\n")
    mailboxes = {name: Mailbox(reply) for name, (_, _, reply, _) in RECEIVERS.items()}
    servers = {
        name: start(security, password, mailboxes[name], tls)
        for name, (security, password, _, _) in RECEIVERS.items()
    }
    config = folder / "mail.yaml"
    receivers = [receiver(folder, name, server.port) for name, server in servers.items()]
    rules = [{"name": "brand", "domain": "certs.example"}]
    config.write_text(json.dumps({"alerts": {"rules": rules, "receivers": receivers}}))
    for name, (_, _, _, expected) in RECEIVERS.items():
        took, said = run(config, name, folder / "authority.pem")
        assert took == (name in TAKING) and expected in said, (name, said)
    for name in ("tls", "starttls"):
        took, said = run(config, name, folder / "other.pem")
        assert not took and "certificate" in said, (name, said)
    for name in TAKING:
        [(is_encrypted, is_authenticated, addresses, message)] = mailboxes[name].messages
        assert is_encrypted == is_authenticated == (name != "plain"), name
        assert addresses == ["ops@certs.example", "soc@certs.example"], addresses
        assert re.fullmatch(r"<[0-9a-f]{64}@certs\.example>", message["Message-ID"]), message
        assert message["Auto-Submitted"] == "auto-generated" and message["Date"].datetime, message
        assert message.get_content().startswith("Certificate alert: "), message
    for server in servers.values():
        server.stop()
    print(f"{len(RECEIVERS)} SMTP servers")
