"""/metrics: Prometheus' parser reads it, and names are as `promtool check metrics` wants them."""

import os
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

BASE = f"http://{os.environ['ADDRESS']}"
# What other servers' dashboards ask for (metrics.compat) keeps the names they have there.
THEIRS = "certstreamservergo_"
RUST = {"certstream_messages_sent", "certstream_ws_connections_total", "certstream_duplicates_filtered"}


def lint(family, total):
    """The rules of promtool for names."""
    name = family.name + ("_total" if total else "")
    assert family.documentation.strip(), f"{name} has no help"
    assert family.type in ("counter", "gauge"), f"{name} is of type {family.type}"
    assert total == (family.type == "counter"), f"{name} is a {family.type}"
    for word in name.split("_"):
        assert word == word.lower(), f"{name} is not in snake case"
        assert word not in ("milliseconds", "ms", "kilobytes", "kb", "mb", "minutes", "hours", "ns"), name
    for kind in ("gauge", "counter", "histogram", "summary"):
        assert kind not in name, f"{name} says its type"


def lines_of(text, names):
    """The text without what is said under other servers' names."""
    kept, keep = [], True
    for line in text.splitlines():
        if line.startswith(("# HELP ", "# TYPE ")):
            keep = line.split(" ")[2] in names
        if keep:
            kept.append(line)
    return "\n".join(kept) + "\n"


def documented():
    """The server's own metrics, from docs/metrics.md."""
    path = os.path.join(os.path.dirname(__file__), "../../../docs/metrics.md")
    with open(path, encoding="utf-8") as file:
        own = file.read().split("\n## certstream-server-go\n")[0]
    return {line.split("`")[1] for line in own.splitlines() if line.startswith("| `")}


with urllib.request.urlopen(f"{BASE}/metrics", timeout=30) as answer:
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.read().decode("utf-8")

# The parser reads all of it; it calls counters `_total`, so names are looked at in the text.
assert list(text_string_to_metric_families(text))
samples = [line.rsplit(" ", 1)[0] for line in text.splitlines() if not line.startswith("#")]
assert len(samples) == len(set(samples)), "a sample comes twice"
names = {sample.split("{")[0] for sample in samples}
assert any(name.startswith(THEIRS) for name in names), "no names of the Go server"
assert RUST <= names, f"{RUST - names} is missing, a name of the Rust server"

own = lines_of(text, documented())
families = list(text_string_to_metric_families(own))
assert len(families) > 60, f"only {len(families)} metrics"
for family in families:
    lint(family, family.type == "counter" and f"# TYPE {family.name}_total counter" in own)
# This server has no journal, and is no node of a cluster.
ABSENT = ("certstream_journal_", "certstream_first_seen_", "certstream_cluster_")
expected = {name for name in documented() if not name.startswith(ABSENT)}
shown = {line.split(" ")[2] for line in own.splitlines() if line.startswith("# TYPE ")}
assert expected == shown, f"{expected ^ shown} are documented or shown only"
