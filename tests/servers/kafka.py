"""What takes the place of a Kafka broker, which no distribution brings: it keeps what is produced.

It knows the four requests that a producer makes, in the versions before lengths became numbers of
their own, and offers no others. A real broker would have partitions, replicas and a disk.

Source: Kafka's protocol guide (requests, primitive types) and its description of record batches.
"""

from __future__ import annotations

import gzip
import socketserver
import struct
import threading

PRODUCE, METADATA, API_VERSIONS, INIT_PRODUCER_ID = 0, 3, 18, 22

#: Request → the one version that is offered.
VERSIONS = {PRODUCE: 3, METADATA: 1, API_VERSIONS: 3, INIT_PRODUCER_ID: 0}

#: Bits of the attributes of a batch, and the one kind of compression that Python brings along.
COMPRESSION, GZIP = 0x07, 1


class Reader:
    """Reads primitive types one after the other."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, kind):
        """One number, by its letter in ``struct``."""
        (value,) = struct.unpack_from(f">{kind}", self.data, self.at)
        self.at += struct.calcsize(f">{kind}")
        return value

    def raw(self, size):
        self.at += size
        return self.data[self.at - size : self.at]

    def text(self):
        size = self.take("h")
        return None if size < 0 else self.raw(size).decode()

    def varint(self):
        """A number in zigzag, seven bits a byte."""
        value = shift = 0
        while True:
            byte = self.take("B")
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return (value >> 1) ^ -(value & 1)


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


class Kafka:
    """Takes what is produced while the block runs.

    Attributes:
        address: Host and port.
        received: (topic, key, value) of each record.
        acks: Whose receipts producers waited for: -1 for all replicas.
        producers: Numbers of producers that records are of; -1 where they are not told apart.
    """

    def __init__(self):
        self.received, self.acks, self.producers = [], set(), set()
        handler = type("Handler", (_Connection,), {"broker": self})
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.address = f"127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, kind, request):
        """The body of the answer to a request."""
        return {
            API_VERSIONS: self._versions,
            METADATA: self._metadata,
            INIT_PRODUCER_ID: lambda _: struct.pack(">ihqh", 0, 0, 7, 0),
            PRODUCE: self._produce,
        }[kind](request)

    def _versions(self, _request):
        offered = b"".join(
            struct.pack(">hhhB", key, version, version, 0) for key, version in VERSIONS.items()
        )
        return struct.pack(">hB", 0, len(VERSIONS) + 1) + offered + struct.pack(">iB", 0, 0)

    def _metadata(self, request):
        topics = [request.text() for _ in range(max(request.take("i"), 0))]
        brokers = struct.pack(">ii", 1, 1) + text("127.0.0.1") + struct.pack(">ih", self.port, -1)
        found = b"".join(
            struct.pack(">h", 0) + text(name) + struct.pack(">Bi", 0, 1)
            + struct.pack(">hiiiiii", 0, 0, 1, 1, 1, 1, 1)
            for name in topics
        )  # fmt: skip
        return brokers + struct.pack(">ii", 1, len(topics)) + found

    def _produce(self, request):
        request.text()
        self.acks.add(request.take("h"))
        request.take("i")
        told = b""
        topics = request.take("i")
        for _ in range(topics):
            topic, partitions = request.text(), request.take("i")
            told += text(topic) + struct.pack(">i", partitions)
            for _ in range(partitions):
                partition = request.take("i")
                self._take(topic, Reader(request.raw(request.take("i"))))
                told += struct.pack(">ihqq", partition, 0, 0, -1)
        return struct.pack(">i", topics) + told + struct.pack(">i", 0)

    def _take(self, topic, batch):
        batch.raw(16)  # offset, length, epoch of the leader
        assert batch.take("b") == 2, "the format of records since Kafka 0.11"
        batch.raw(4)  # checksum
        compression = batch.take("h") & COMPRESSION
        batch.raw(20)  # last offset, first and last time
        self.producers.add(batch.take("q"))
        batch.raw(6)  # epoch of the producer, first number
        count, data = batch.take("i"), batch.data[batch.at :]
        assert compression in (0, GZIP)
        records = Reader(gzip.decompress(data) if compression else data)
        for _ in range(count):
            records.varint()
            records.take("b")
            records.varint()
            records.varint()
            key, value = (records.raw(records.varint()) for _ in range(2))
            assert records.varint() == 0, "no headers"
            self.received.append((topic, key.decode(), value))


class _Connection(socketserver.StreamRequestHandler):
    broker: Kafka

    def handle(self):
        while head := self.rfile.read(4):
            (size,) = struct.unpack(">i", head)
            request = Reader(self.rfile.read(size))
            kind, version, number = request.take("h"), request.take("h"), request.take("i")
            assert VERSIONS[kind] == version, f"request {kind} in version {version}"
            request.text()  # name of the client
            body = struct.pack(">i", number) + self.broker.answer(kind, request)
            self.wfile.write(struct.pack(">i", len(body)) + body)
