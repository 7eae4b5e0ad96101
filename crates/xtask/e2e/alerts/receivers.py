"""Receivers of alerts: a webhook that fails in turn, Slack, ntfy, and an SMTP server."""

import collections
import email
import email.policy
import hashlib
import hmac
import http.server
import json
import logging
import random
import socket
import sys
import threading
import time
import warnings

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

KEY = "a key that signs requests, 5c0f1e"
PATH = "a-secret-path-77aa"
USER = "certstream"
PASSWORD = "a password of mail, 81d2"
# Of so many requests to the webhook, one fails, in the next of these ways.
ONE_OF = 12
FAILURES = ("500", "429", "hangs", "redirects", "closes")
RETRY_AFTER = 2
# Longer than the time limit of the server.
HANG = 1.5
# Rules by the receiver of which the requests do not name the rule.
RULE_OF = {"slack": "a word", "ntfy": "a suffix"}


# It says that passwords without TLS are no good idea.
warnings.simplefilter("ignore")
logging.getLogger("mail.log").setLevel(logging.CRITICAL)


class Receivers:
    """All receivers, and what they have answered that they have."""

    def __init__(self):
        self.changed = threading.Condition()
        # (rule, receiver): (run of the server, identity of the alert), in the order of their arrival.
        self.accepted = collections.defaultdict(list)
        # The alerts of the webhook, by identity.
        self.alerts = {}
        self.failures = collections.Counter()
        self.problems = []
        self.requests = 0
        # (receiver, identity): run, and the earliest time of another attempt.
        self.pauses = {}
        self.is_failing = True
        self.http = Http(("127.0.0.1", 0), Handler)
        self.http.receivers = self
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.smtp = Controller(
            Mailbox(self),
            hostname="127.0.0.1",
            port=free_port(),
            authenticator=authenticate,
            auth_required=True,
            auth_require_tls=False,
        )
        self.smtp.start()

    def url(self, run, receiver):
        """Returns the URL of a webhook, which tells the runs of the server apart."""
        return f"http://127.0.0.1:{self.http.server_port}/{run}/{receiver}/{PATH}"

    def accept(self, rule, receiver, run, identity):
        with self.changed:
            self.accepted[rule, receiver].append((run, identity))
            self.changed.notify_all()

    def count(self):
        return sum(map(len, self.accepted.values()))

    def complain(self, problem):
        with self.changed:
            self.problems.append(problem)

    def failure(self, receiver, run):
        """Returns the way in which a request fails; none if it does not."""
        with self.changed:
            if not self.is_failing:
                return None
            if receiver == "ntfy" and run % 3 < 2:
                self.failures["ntfy"] += 1
                return "503"
            if receiver != "hook":
                return None
            self.requests += 1
            if self.requests % ONE_OF:
                return None
            failure = FAILURES[self.requests // ONE_OF % len(FAILURES)]
            self.failures[failure] += 1
            return failure

    def recover(self):
        """Lets nothing fail from now on."""
        with self.changed:
            self.is_failing = False

    def stop(self):
        self.http.shutdown()
        self.smtp.stop()


def free_port():
    """Returns a port that was free a moment ago, below those that the system gives to connections."""
    for port in random.sample(range(10_000, 30_000), 1_000):
        with socket.socket() as listener:
            if listener.connect_ex(("127.0.0.1", port)) != 0:
                return port
    raise OSError("no port is free")


class Http(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """Ignores that a client was killed."""
        error = sys.exception()
        if not isinstance(error, ConnectionError):
            self.receivers.complain(repr(error))


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        receivers = self.server.receivers
        body = self.rfile.read(int(self.headers["content-length"]))
        try:
            _, run, receiver, path = self.path.split("/")
            assert path == PATH, "the target of a redirect is not requested"
            self.answer(int(run), receiver, body)
        except (AssertionError, KeyError, ValueError) as error:
            receivers.complain(f"{self.path}: {error!r}")
            self.reply(500)

    def answer(self, run, receiver, body):
        receivers = self.server.receivers
        identity = self.headers["idempotency-key"]
        assert len(identity) == 64, identity
        rule = self.check(receiver, identity, body)
        pause = receivers.pauses.pop((receiver, identity), None)
        if pause and pause[0] == run:
            assert time.monotonic() >= pause[1], "Retry-After is not waited for"
        match receivers.failure(receiver, run):
            case None:
                receivers.accept(rule, receiver, run, identity)
                self.reply(204)
            case "429":
                earliest = time.monotonic() + RETRY_AFTER - 0.05
                receivers.pauses[receiver, identity] = run, earliest
                self.reply(429, {"Retry-After": str(RETRY_AFTER)})
            case "hangs":
                time.sleep(HANG)
                self.close_connection = True
            case "redirects":
                self.reply(307, {"Location": f"/{run}/{receiver}/elsewhere"})
            case "closes":
                self.close_connection = True
            case status:
                self.reply(int(status))

    def check(self, receiver, identity, body):
        """Checks the form of an alert, and returns its rule."""
        kind = self.headers["content-type"]
        if receiver == "ntfy":
            assert kind == "text/plain; charset=utf-8", kind
            assert body.decode().startswith(f"Certificate alert: {RULE_OF[receiver]}\n"), body
            return RULE_OF[receiver]
        assert kind == "application/json", kind
        alert = json.loads(body)
        if receiver == "slack":
            assert list(alert) == ["text"] and RULE_OF[receiver] in alert["text"], alert
            return RULE_OF[receiver]
        assert (alert["version"], alert["id"]) == (1, identity), alert
        fields = dict(part.split("=", 1) for part in self.headers["certstream-signature"].split(","))
        signed = fields["t"].encode() + b"." + body
        signature = hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()
        assert hmac.compare_digest(signature, fields["v1"]), fields
        assert abs(int(fields["t"]) - time.time()) < 60, fields
        self.server.receivers.alerts[identity] = alert
        return alert["rule"]

    def reply(self, status, headers={}):
        self.send_response(status)
        for name, value in ({"Content-Length": "0"} | headers).items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_):
        pass


def authenticate(server, session, envelope, mechanism, login):
    is_right = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=is_right)


class Mailbox:
    """The mail of the rule that is sent by e-mail; the sender's name has the run of the server."""

    RULE = "lookalikes"

    def __init__(self, receivers):
        self.receivers = receivers

    async def handle_DATA(self, server, session, envelope):
        receivers = self.receivers
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        run = int(envelope.mail_from.removeprefix("run").split("@")[0])
        identity, _, domain = message["Message-ID"].strip("<>").partition("@")
        text = message.get_content()
        if (len(identity), domain) != (64, "certs.example") or self.RULE not in text:
            receivers.complain(f"not the mail of an alert: {message}")
            return "554 not an alert"
        if envelope.rcpt_tos != ["ops@certs.example"] or self.RULE not in message["Subject"]:
            receivers.complain(f"not as configured: {envelope.rcpt_tos} {message}")
            return "554 not for this address"
        if receivers.is_failing and receivers.failures["mail"] < 3:
            receivers.failures["mail"] += 1
            return "451 later"
        receivers.accept(self.RULE, "mail", run, identity)
        return "250 ok"
