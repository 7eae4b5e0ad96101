"""The brokers have each message that SSE clients get: outputs.py JSON, where JSON describes the brokers."""

import asyncio
import collections
import json
import re
import ssl
import sys
import urllib.request

import aiokafka
import nats

SITE = json.loads(sys.argv[1])
URLS = {url.rstrip("/") for url in SITE["logs"]}
ENTRIES = SITE["entries"]


def of_sse(stream, profile):
    """Returns each message that the server resends to SSE clients, by log and index."""
    url = f"{SITE['server']}/sse?stream={stream}&compat={profile}&since=0"
    messages = {}
    with urllib.request.urlopen(url, timeout=60) as response:
        for line in response:
            if not line.startswith(b"data:"):
                continue
            body = line.removeprefix(b"data:").strip()
            message = json.loads(body)
            if message["message_type"] == "gap":
                # Offset 0 is not kept; a gap after the first message would be a loss.
                assert not messages, message
                continue
            if message["message_type"] == "heartbeat":
                continue
            messages[place(message["data"])] = body
            if len(messages) == ENTRIES:
                return messages


def place(data):
    return data["source"]["url"].rstrip("/"), data["cert_index"]


class Seen:
    """The messages of one output, by identity."""

    def __init__(self, name, expected):
        self.name = name
        self.expected = expected
        self.times = collections.Counter()
        self.logs = collections.defaultdict(set)

    def add(self, identity, body):
        data = json.loads(body)["data"]
        log_id, index = identity.rsplit(":", 1)
        url, own = place(data)
        assert int(index) == own, (identity, own)
        assert re.fullmatch(r"[A-Za-z0-9+/]{43}=", log_id), identity
        assert body.strip() == self.expected[url, own], (body, self.expected[url, own])
        self.logs[url].add(own)
        self.times[identity] += 1

    def check(self):
        each = ENTRIES // len(URLS)
        for url in URLS:
            missing = set(range(each)) - self.logs[url]
            assert not missing, (self.name, url, len(missing), sorted(missing)[:10])
        repeated = sum(self.times.values()) - len(self.times)
        assert len(self.times) == ENTRIES, (self.name, len(self.times))
        print(f"{self.name}: {len(self.times)} messages, {repeated} repeated")


def tls(broker):
    """Returns the client's side of TLS; none for a broker without."""
    if "ca" not in broker:
        return None
    context = ssl.create_default_context(cafile=broker["ca"])
    context.load_cert_chain(broker["cert"], broker["key"])
    return context


async def from_nats(broker):
    seen = Seen("NATS", of_sse("lite", "rust"))
    context = tls(broker)
    options = {"tls": context} if context else {}
    client = await nats.connect(
        broker["url"], user=broker["user"], password=broker["password"], **options
    )
    stream = client.jetstream()
    info = await stream.stream_info("CERTSTREAM")
    assert info.config.subjects == ["certstream.>"], info.config
    assert str(info.config.discard).endswith("new"), info.config
    subscription = await stream.subscribe("certstream.>", ordered_consumer=True)
    while len(seen.times) < ENTRIES:
        message = await subscription.next_msg(timeout=30)
        source = json.loads(message.data)["data"]["source"]
        form = rf"certstream\.[a-z0-9_]+\.{word(source['name'])}"
        assert re.fullmatch(form, message.subject), (message.subject, source)
        seen.add(message.headers["Nats-Msg-Id"], message.data)
    info = await stream.stream_info("CERTSTREAM")
    await client.close()
    seen.check()
    assert info.state.messages == ENTRIES, "NATS drops repeated messages"


def word(text):
    return re.sub("[^a-z0-9]", "_", text.lower())


async def from_kafka(broker):
    seen = Seen(f"Kafka, {broker['topic']}", of_sse(broker["stream"], "go"))
    options = {}
    if "user" in broker:
        options = {
            "security_protocol": "SASL_SSL",
            "ssl_context": tls(broker),
            "sasl_mechanism": broker["mechanism"],
            "sasl_plain_username": broker["user"],
            "sasl_plain_password": broker["password"],
        }
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=broker["address"],
        auto_offset_reset="earliest",
        group_id=None,
        **options,
    )
    await consumer.start()
    partitions = [aiokafka.TopicPartition(broker["topic"], number) for number in range(3)]
    consumer.assign(partitions)
    of_key = {}
    # Offsets of a broker that was killed have holes, so that they cannot be counted.
    while len(seen.times) < ENTRIES:
        batches = await consumer.getmany(timeout_ms=30_000)
        assert batches, (seen.name, len(seen.times), ENTRIES)
        for message in (message for batch in batches.values() for message in batch):
            assert message.value.endswith(b"\n"), "the profile of the Go server"
            identity = dict(message.headers)["id"].decode()
            check_key(broker["keys"], message, identity)
            partition = of_key.setdefault(message.key, message.partition)
            assert partition == message.partition or not message.key, message
            seen.add(identity, message.value)
    await consumer.stop()
    assert len(set(of_key.values())) > 1, "keys spread messages over partitions"
    seen.check()


def check_key(kind, message, identity):
    names = json.loads(message.value)["data"]["leaf_cert"]["all_domains"]
    key = message.key.decode()
    if kind == "entry" or not names:
        assert key == identity, (key, identity, names)
    else:
        assert names[0].endswith(key) and key.count(".") <= 2, (key, names)


async def main():
    await from_nats(SITE["nats"])
    for broker in SITE["kafka"]:
        await from_kafka(broker)


asyncio.run(main())
