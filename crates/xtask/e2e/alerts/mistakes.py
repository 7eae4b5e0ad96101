"""Mistakes in rules and receivers: each has a message that helps, before the server starts."""

import json
import subprocess

HOOK = {"name": "ops", "type": "webhook", "url": "https://hooks.example.org/a-secret-path"}
RULE = {"name": "brand", "domain": "example.org"}


def configuration(rule={}, receiver={}):
    return {"rules": [RULE | rule], "receivers": [HOOK | receiver]}


# What is refused, and texts in the message.
REFUSED = [
    (configuration({"regex": "(a{1000}){1000}"}), ["alerts.rules[0] (brand): regex:", "smaller repetitions"]),
    (configuration({"regex": "(login"}), ["alerts.rules[0] (brand): regex:", "not a regular expression"]),
    (configuration({"regex": "x" * 2000}), ["alerts.rules[0] (brand): regex:", "the limit is 1000"]),
    (configuration({"lookalikes": "example.org"}), ["alerts.rules[0]", "lookalikes", "did you mean"]),
    (configuration(receiver={"urls": "x"}), ["alerts.receivers[0]", "urls"]),
    (configuration({"deliver": "osp"}), ["(brand): deliver", "did you mean \"ops\"?"]),
    (configuration({"max_per_hour": 0}), ["max_per_hour"]),
    (configuration({"domain": []}), ["alerts.rules[0] (brand): no condition"]),
    (configuration({"lookalike": "com", "domain": []}), ["alerts.rules[0] (brand): lookalike:"]),
    (configuration({"except": {"key": "abc"}}), ["(brand): except:", "64 hexadecimal digits"]),
    (configuration(receiver={"type": "exec"}), ["(ops): type", "security hole"]),
    (configuration(receiver={"url": "https://127.0.0.1/x"}), ["(ops):", "127.0.0.1", "private"]),
    (configuration(receiver={"url": "https://[::1]/x"}), ["(ops):", "private"]),
    (configuration(receiver={"url": "ftp://example.org/x"}), ["alerts.receivers[0]", "https"]),
    (configuration(receiver={"url_file": "/x"}), ["(ops): url", "use one of them"]),
    (configuration(receiver={"url_env": "HOOK"}), ["(ops): url", "use one of them"]),
    (configuration(receiver={"key_env": "NO_SUCH_KEY"}), ["key_env", "NO_SUCH_KEY is not set"]),
    (configuration(receiver={"key_file": "/nonexistent/key"}), ["key_file", "/nonexistent/key"]),
]
# What is accepted with a warning.
WARNED = [
    (configuration({"domain": [], "match": ".com"}), ["(brand):", "a large part of all certificates"]),
    (configuration({"domain": [], "regex": ".*"}), ["(brand):", "a large part of all certificates"]),
    (configuration(receiver={"url": "http://hooks.example.org/a-secret-path"}), ["ops", "without encryption"]),
    # Time is proportional to the length of names, so nothing explodes.
    (configuration({"regex": "(a+)+b"}), []),
]


def check(folder):
    """Checks each message. None has the path of a webhook."""
    cases = [(case, texts, 64) for case, texts in REFUSED]
    cases += [(case, texts, 0) for case, texts in WARNED]
    for number, (alerts, texts, status) in enumerate(cases):
        path = folder / f"mistake-{number}.yaml"
        path.write_text(json.dumps({"data_dir": str(folder / "mistakes"), "alerts": alerts}))
        command = ["certstream-server", "--config", path, "--validate-config"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        said = ran.stdout + ran.stderr
        assert ran.returncode == status, (alerts, ran.returncode, said)
        missing = [text for text in texts if text not in said]
        assert not missing, (alerts, missing, said)
        assert "a-secret-path" not in said, said
    print(f"{len(cases)} mistakes")
