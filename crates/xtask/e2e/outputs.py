"""Each entry of each log is in both brokers: outputs.py ENTRIES NATS_URL PASSWORD KAFKA TOPIC LOG_URL..."""

import asyncio
import collections
import json
import re
import sys

import aiokafka
import nats

ENTRIES, NATS, PASSWORD, KAFKA, TOPIC = int(sys.argv[1]), *sys.argv[2:6]
URLS = {url.rstrip("/") for url in sys.argv[6:]}


class Seen:
    """The messages of one broker, by identity."""

    def __init__(self, broker):
        self.broker = broker
        self.times = collections.Counter()
        self.logs = collections.defaultdict(set)

    def add(self, identity, body):
        data = json.loads(body)["data"]
        log_id, index = identity.rsplit(":", 1)
        assert int(index) == data["cert_index"], (identity, data["cert_index"])
        url = data["source"]["url"].rstrip("/")
        assert url in URLS, url
        self.logs[url].add(data["cert_index"])
        self.times[identity] += 1

    def check(self):
        each = ENTRIES // len(URLS)
        for url in URLS:
            missing = set(range(each)) - self.logs[url]
            assert not missing, (self.broker, url, len(missing), sorted(missing)[:10])
        repeated = sum(self.times.values()) - len(self.times)
        assert len(self.times) == ENTRIES, (self.broker, len(self.times))
        print(f"{self.broker}: {len(self.times)} messages, {repeated} repeated")


async def from_nats():
    seen = Seen("NATS")
    user = re.search("//(.*)@", NATS).group(1)
    client = await nats.connect(NATS.replace(user + "@", ""), user=user, password=PASSWORD)
    stream = client.jetstream()
    info = await stream.stream_info("CERTSTREAM")
    assert info.config.subjects == ["certstream.>"], info.config
    assert info.config.discard.value == "new", info.config
    subscription = await stream.subscribe("certstream.>", ordered_consumer=True)
    for _ in range(info.state.messages):
        message = await subscription.next_msg(timeout=30)
        assert re.fullmatch(r"certstream\.[a-z0-9_]+\.[a-z0-9_]+", message.subject), message.subject
        body = json.loads(message.data)
        assert "as_der" not in body["data"]["leaf_cert"], "the lite stream"
        seen.add(message.headers["Nats-Msg-Id"], message.data)
    await client.close()
    seen.check()


async def from_kafka():
    seen = Seen("Kafka")
    consumer = aiokafka.AIOKafkaConsumer(
        bootstrap_servers=KAFKA, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    partitions = [aiokafka.TopicPartition(TOPIC, number) for number in range(3)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    expected = sum(ends.values())
    got = 0
    while got < expected:
        batches = await consumer.getmany(timeout_ms=30_000)
        assert batches, (got, expected)
        for message in (message for batch in batches.values() for message in batch):
            got += 1
            assert message.value.endswith(b"\n"), "the profile of the Go server"
            identity = dict(message.headers)["id"].decode()
            assert message.key.decode() == identity, message.key
            seen.add(identity, message.value)
    await consumer.stop()
    assert sum(1 for end in ends.values() if end > 0) > 1, "keys spread messages over partitions"
    seen.check()


async def main():
    await from_nats()
    await from_kafka()


asyncio.run(main())
