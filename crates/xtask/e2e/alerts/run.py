"""Alerts of a server that is killed again and again, while receivers fail: run.py FOLDER KILLS.

In the end each certificate of the stream that matches a rule has arrived at each receiver of the rule,
in order. Only an alert that a receiver had answered at a kill, before the server could save that, arrives
twice: one for each rule, receiver and kill at most, under the same key.
"""

import json
import pathlib
import random
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import mail
import mistakes
import receivers
import rules

FOLDER = pathlib.Path(sys.argv[1])
KILLS = int(sys.argv[2])
DEAD_LETTERS = FOLDER / "data/alerts/dead_letters.jsonl"
PATIENCE = 90
# Entries a second of each of the four logs. Alerts have to arrive faster: no more than 1,000 of a rule wait.
RATE = 25
# Alerts that arrive before the next kill.
PROGRESS = 40


def wait(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited without success for {what}"
        time.sleep(0.05)


def get(url, timeout=PATIENCE, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)


class Logs:
    """Simulated logs, some of whose certificates have the names of lookalikes."""

    def __init__(self):
        names = rules.planted(RATE * (60 + 10 * KILLS))
        plant = [f"--plant={index}={name}" for index, name in names.items()]
        words = ["ctsim", "--port=0", "--publish-interval-ms=100", "--initial-size=0"]
        words += [f"--rate={RATE}", *plant]
        log = (FOLDER / "ctsim.log").open("w")
        self.process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=log, text=True)
        said = json.loads(self.process.stdout.readline())
        self.list = said["list_url"]
        self.key = FOLDER / "log_list_key.pem"
        with get(said["list_key_url"]) as response:
            self.key.write_bytes(response.read())


class Server:
    def __init__(self, logs, hooks):
        self.logs, self.hooks = logs, hooks
        self.port = receivers.free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.config = FOLDER / "config.yaml"
        self.log = FOLDER / "server.log"
        self.process = None
        (FOLDER / "key").write_text(receivers.KEY)
        (FOLDER / "password").write_text(receivers.PASSWORD + "\n")

    def start(self, run):
        self.config.write_text(json.dumps(self.configuration(run)))
        words = ["certstream-server", "--config", self.config]
        with self.log.open("a") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log)

    def kill(self):
        assert self.process.poll() is None, f"the server has ended: {self.log.read_text()}"
        self.process.kill()
        self.process.wait()

    def configuration(self, run):
        (FOLDER / "hook").write_text(self.hooks.url(run, "hook"))
        private = {"allow_private_addresses": True, "timeout_secs": 1}
        mail = {
            "name": "mail",
            "type": "email",
            "smtp_server": f"127.0.0.1:{self.hooks.smtp.port}",
            "smtp_security": "none",
            "user": receivers.USER,
            "password_file": str(FOLDER / "password"),
            "from": f"run{run}@certs.example",
            "to": "ops@certs.example",
        }
        return {
            "host": "127.0.0.1",
            "port": self.port,
            "data_dir": str(FOLDER / "data"),
            "protocols": {"sse": True, "api": True},
            "dedup": {"enabled": False},
            "ct_log": {
                "log_list_url": self.logs.list,
                "log_list_key_file": str(self.logs.key),
                "start": "zero",
                "poll_interval_ms": 100,
                "partial_tile_wait_ms": 100,
            },
            "alerts": {
                "link": "https://ct.example.org",
                "rules": [rule | {"max_per_hour": 10_000} for rule in rules.RULES],
                "receivers": [
                    {
                        "name": "hook",
                        "type": "webhook",
                        "url_file": str(FOLDER / "hook"),
                        "key_file": str(FOLDER / "key"),
                    }
                    | private,
                    {"name": "slack", "type": "slack", "url": self.hooks.url(run, "slack")} | private,
                    {"name": "ntfy", "type": "ntfy", "url": self.hooks.url(run, "ntfy")} | private,
                    mail,
                ],
            },
        }

    def alerts(self, **query):
        with get(f"{self.url}/api/alerts?{urllib.parse.urlencode(query)}") as response:
            return json.load(response)

    def offset(self):
        with get(f"{self.url}/api/stats") as response:
            return json.load(response)["offset"]

    def is_done(self):
        """Reports whether everything published is compared with the rules, and nothing waits."""
        with get(f"{self.url}/metrics") as response:
            lines = response.read().decode().splitlines()
        figures = dict(line.rsplit(" ", 1) for line in lines if line.startswith("certstream_alerts_"))
        waiting = [figures[name] for name in figures if name.startswith("certstream_alerts_waiting")]
        return figures["certstream_alerts_behind"] == "0" and waiting == ["0"] * 4

    def stream(self, last):
        """Returns all certificates up to an offset, in order."""
        certificates, before = [], 0
        with get(f"{self.url}/sse?since=0") as response:
            for line in response:
                if not line.startswith(b"data:"):
                    continue
                message = json.loads(line.removeprefix(b"data:"))
                if message["message_type"] == "gap":
                    assert not certificates, message
                if message["message_type"] != "certificate_update":
                    continue
                assert message["offset"] > before, (message["offset"], before)
                before = message["offset"]
                certificates.append(message["data"])
                if before == last:
                    return certificates


class Events:
    """What `/api/alerts/stream` sends."""

    def __init__(self, url):
        self.alerts = []
        self.response = get(f"{url}/api/alerts/stream")
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.response:
            if line.startswith(b"data:"):
                self.alerts.append(json.loads(line.removeprefix(b"data:")))


def kill_again_and_again(server, hooks):
    for run in range(KILLS):
        server.start(run)
        wanted = hooks.count() + PROGRESS
        with hooks.changed:
            arrived = hooks.changed.wait_for(lambda: hooks.count() >= wanted, PATIENCE)
        assert arrived, f"alerts do not arrive: {server.log.read_text()[-5000:]}"
        time.sleep(random.random() / 10)  # at any moment, not only after an arrival
        server.kill()


def ids(route, accepted):
    """Returns the identities of a route, and how many arrived twice because of a kill."""
    runs, identities, repeated = {}, [], 0
    for run, identity in accepted:
        if identity in runs:
            is_last = identities[-1] == identity and run > runs[identity]
            assert is_last, f"{route}: {identity} arrived twice, in the runs {runs[identity]} and {run}"
            repeated += 1
        else:
            identities.append(identity)
        runs[identity] = run
    return identities, repeated


def has_all(hooks, expected):
    """Reports whether no more alerts are missing."""
    with hooks.changed:
        arrived = {
            route: len({identity for _, identity in accepted})
            for route, accepted in hooks.accepted.items()
        }
    routes = [(rule["name"], to) for rule in rules.RULES for to in rules.receivers_of(rule)]
    return all(arrived.get(route, 0) >= len(expected[route[0]]) for route in routes)


def check_arrivals(hooks, expected):
    """Checks that each alert has arrived everywhere, in order."""
    total = repeated = 0
    for rule, places in expected.items():
        identities, again = ids((rule, "hook"), hooks.accepted[rule, "hook"])
        sightings = [hooks.alerts[identity]["sightings"][0] for identity in identities]
        arrived = [(place["url"].rstrip("/"), place["index"]) for place in sightings]
        assert arrived == places, difference(rule, arrived, places)
        total, repeated = total + len(arrived), repeated + again
        others = [receiver for name, receiver in hooks.accepted if name == rule and receiver != "hook"]
        for receiver in others:
            of_other, again = ids((rule, receiver), hooks.accepted[rule, receiver])
            assert of_other == identities, difference((rule, receiver), of_other, identities)
            total, repeated = total + len(of_other), repeated + again
    assert len(hooks.accepted) == 5 + 3 and repeated <= KILLS * len(hooks.accepted), hooks.accepted
    return total, repeated


def difference(route, arrived, expected):
    missing = [place for place in expected if place not in arrived]
    others = [place for place in arrived if place not in expected]
    return f"{route}: {len(arrived)} of {len(expected)}, missing {missing[:9]}, others {others[:9]}"


def check_api(server, events, hooks):
    answer = server.alerts(limit=1000)
    assert answer["is_running"] and answer["alerts"], answer
    for alert in answer["alerts"]:
        assert set(alert["receivers"].values()) == {"arrived"}, alert
        assert alert["link"].startswith("https://ct.example.org/"), alert
    for receiver in answer["receivers"]:
        assert (receiver["waiting"], receiver["dead_letters"]) == (0, 0), receiver
    newest = [alert["id"] for alert in reversed(answer["alerts"])]
    sent = [alert["id"] for alert in events.alerts]
    assert sent and sent == newest[-len(sent) :], (sent, newest)
    assert set(sent) <= set(hooks.alerts), "what the stream sends arrives"
    rule = answer["alerts"][-1]["rule"]
    of_rule = server.alerts(rule=rule, limit=1000)["alerts"]
    assert of_rule == [alert for alert in answer["alerts"] if alert["rule"] == rule], of_rule
    refused(404, f"{server.url}/api/alerts?rule=none")
    refused(403, f"{server.url}/api/alerts", X_Forwarded_For="192.0.2.1")
    listing = ["certstream-server", "--config", server.config, "alerts", "list", "--limit", "3"]
    listed = subprocess.run(listing, capture_output=True, text=True, timeout=60, check=True).stdout
    assert len(listed.splitlines()) == 3 and "hook: arrived" in listed, listed


def refused(status, url, **headers):
    try:
        get(url, **headers).close()
    except urllib.error.HTTPError as error:
        assert error.code == status, (url, error.code)
        return
    raise AssertionError(f"{url} is not refused")


def check_files(server):
    """Checks that no secret is in the log or the files of alerts, and that nothing was given up."""
    said = server.log.read_text()
    assert "an alert does not arrive" in said and "panicked" not in said, said[-5000:]
    files = [path for path in (FOLDER / "data/alerts").rglob("*") if path.is_file()]
    assert files and not DEAD_LETTERS.exists(), files
    for secret in (receivers.KEY, receivers.PATH, receivers.PASSWORD):
        assert secret not in said, f"{secret} is in the log"
        for path in files:
            assert secret.encode() not in path.read_bytes(), f"{secret} is in {path}"


def main():
    logs, hooks = Logs(), receivers.Receivers()
    server = Server(logs, hooks)
    try:
        kill_again_and_again(server, hooks)
        hooks.recover()
        server.start(KILLS)
        wait("the server", lambda: answers(f"{server.url}/health"))
        events = Events(server.url)
        wanted = hooks.count() + PROGRESS
        wait("events", lambda: len(events.alerts) >= 3 and hooks.count() >= wanted)
        logs.process.kill()
        last, stream = None, []
        while server.offset() != last:
            last = server.offset()
            stream = server.stream(last)
            expected = rules.expected(stream)
            wait("all alerts", lambda: has_all(hooks, expected) or DEAD_LETTERS.exists())
            wait("the figures", server.is_done)
        total, repeated = check_arrivals(hooks, expected)
        check_api(server, events, hooks)
        check_files(server)
        assert not hooks.problems, hooks.problems
        assert len(hooks.failures) == 7, hooks.failures
        print(f"{len(stream)} certificates, {total} alerts, {repeated} of them twice, {KILLS} kills")
        print(f"failures: {dict(hooks.failures)}")
    finally:
        server.process.kill()
        logs.process.kill()
        hooks.stop()


def answers(url):
    try:
        get(url).close()
    except OSError:
        return False
    return True


mistakes.check(FOLDER)
mail.check(FOLDER)
main()
