"""The connection to a broker, by paho-mqtt of either generation (1.6 and 2).

paho has a thread of its own, and connects again by itself. What comes is handed to the event loop;
so much may wait there, and what is more is dropped, since nobody can tell how old it would become.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from paho.mqtt import client as mqtt

from rct_collector.bridge.commands import Message, TopicNames
from rct_collector.errors import ConfigError

#: Seconds without a word after which one is said; after half as many again the broker takes us for
#: gone, and forgets what it has for us.
KEEP_ALIVE_S = 30

#: Seconds from one attempt to connect to the next, at least and at most.
PAUSES_S = (1, 60)

#: Messages that may wait for the event loop, and answers for the broker.
MOST_WAITING = 256

#: Seconds for the last word at the end.
LAST_WORD_S = 2.0

#: Scheme of an address → port, and whether it is encrypted.
SCHEMES = {"mqtt": (1883, False), "mqtts": (8883, True)}

#: How a broker says that a subscription is refused.
_FAILED = 0x80

#: ``say(level, kind, text)``
Say = Callable[[int, str, str], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class MqttBroker:
    """How a broker is reached.

    Attributes:
        host: Name or address.
        port: Of TCP.
        encrypted: Whether by TLS.
        username: Who we are to it; "" for nobody in particular.
        password: Is in no text that this gives of itself.
        ca: File with the certificates that are trusted; None for those of the system.
        certificate: File with our own, if the broker wants one.
        key: File with its key.
        client: The name of the session; of two with one name only one can be connected.
    """

    host: str
    port: int
    encrypted: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    client: str = ""

    def __str__(self) -> str:
        """Its address."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.encrypted else 'mqtt'}://{host}:{self.port}"


def address(text: str) -> tuple[str, int, bool]:
    """Host, port and whether it is encrypted, of ``mqtt://192.0.2.1:1883``.

    Raises:
        ValueError: It is no such address; the message says what would be right.
    """
    right = "mqtt://HOST[:PORT], or mqtts:// for TLS"
    try:
        parts = urlsplit(text if "://" in text else f"mqtt://{text}")
        usual, encrypted = SCHEMES[parts.scheme]
        port = usual if parts.port is None else parts.port
    except (KeyError, ValueError):
        raise ValueError(f"not the address of a broker; right is {right}") from None
    if parts.username is not None or parts.password is not None:
        raise ValueError("name and password have options of their own, and are not to be in it")
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or not port:
        raise ValueError(f"not the address of a broker; right is {right}")
    return parts.hostname, port, encrypted


class MqttSession:
    """A session with a broker: a clean one, for which it keeps nothing while we are away.

    Attributes:
        number: Of the connection, from 1 on; 0 while there was none.
    """

    def __init__(
        self, broker: MqttBroker, topics: TopicNames, received: Callable[[Message], None], say: Say
    ) -> None:
        """Do nothing yet.

        Args:
            broker: Where it is.
            topics: What is subscribed to, and where it is told that we are there.
            received: Takes what comes, in the event loop.
            say: Logs.

        Raises:
            ConfigError: A file with certificates cannot be used.
        """
        self.number = 0
        self._broker = broker
        self._topics = topics
        self._received = received
        self._say = say
        self._loop = asyncio.get_running_loop()
        self._room = threading.BoundedSemaphore(MOST_WAITING)
        self._client = _client(broker.client)
        self._client.on_connect = self._connected
        self._client.on_disconnect = self._disconnected
        self._client.on_connect_fail = self._failed
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._message
        self._client.max_queued_messages_set(MOST_WAITING)
        self._client.reconnect_delay_set(*PAUSES_S)
        self._client.will_set(topics.availability, b"offline", qos=1, retain=True)
        if broker.username:
            self._client.username_pw_set(broker.username, broker.password or None)
        if broker.encrypted:
            self._client.tls_set_context(_encryption(broker))

    def start(self) -> None:
        """Connect, and again whenever that is lost, until :meth:`stop`."""
        self._client.connect_async(self._broker.host, self._broker.port, KEEP_ALIVE_S)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish something, once the broker is there; it may arrive more than once.

        Args:
            topic: Where.
            payload: What.
            retain: Whether the broker keeps it for those who come later.
        """
        self._client.publish(topic, payload, qos=1, retain=retain)

    def renew(self) -> None:
        """Give the connection up and make a new one: what is still in this one may be old."""
        connected = self._client.socket()
        if connected is not None:
            with contextlib.suppress(OSError):
                connected.shutdown(socket.SHUT_RDWR)

    async def stop(self) -> None:
        """Say that we are gone, and end; what waits is sent, if the broker takes it."""
        await self._loop.run_in_executor(None, self._stop)

    def _stop(self) -> None:
        if self._client.is_connected():
            last = self._client.publish(self._topics.availability, b"offline", qos=1, retain=True)
            with contextlib.suppress(ValueError, RuntimeError):
                last.wait_for_publish(LAST_WORD_S)
        self._client.disconnect()
        self._client.loop_stop()

    # -- in paho's thread; the arguments differ by its generation ---------------------------------

    def _connected(self, _client: Any, _data: Any, _flags: Any, reason: Any, *_: Any) -> None:
        if reason != 0:
            text = mqtt.connack_string(reason) if isinstance(reason, int) else str(reason)
            self._tell(logging.ERROR, "refused", f"{self._broker} refuses us: {text}")
            return
        self.number += 1
        self._client.subscribe([(topic, 1) for topic in self._topics.wanted])

    def _subscribed(self, _client: Any, _data: Any, _id: Any, granted: Any, *_: Any) -> None:
        if any(getattr(each, "value", each) >= _FAILED for each in granted):
            text = f"{self._broker} does not let us read {' and '.join(self._topics.wanted)}"
            self._tell(logging.ERROR, "refused", text)
            return
        self._client.publish(self._topics.availability, b"online", qos=1, retain=True)
        self._tell(logging.INFO, "connected", f"connected with {self._broker}")

    def _disconnected(self, _client: Any, _data: Any, *reasons: Any) -> None:
        reason = reasons[0] if len(reasons) == 1 else reasons[1]  # flags come first in 2
        if reason != 0:
            text = mqtt.error_string(reason) if isinstance(reason, int) else str(reason)
            self._tell(logging.WARNING, "lost", f"{self._broker}: the connection is lost: {text}")

    def _failed(self, *_: Any) -> None:
        reason = sys.exc_info()[1]  # paho tells of it while it handles it
        text = f"{self._broker} cannot be reached, and is tried again: {reason}"
        self._tell(logging.WARNING, "lost", text)

    def _message(self, _client: Any, _data: Any, found: Any) -> None:
        message = Message(found.topic, found.payload, found.retain, found.dup, self.number)
        if not self._room.acquire(blocking=False):
            self._tell(logging.WARNING, "flood", "commands come too fast; some are dropped")
            return
        self._call(self._take, message)

    def _take(self, message: Message) -> None:
        self._room.release()
        self._received(message)

    def _tell(self, level: int, kind: str, text: str) -> None:
        self._call(self._say, level, kind, text)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            self._loop.call_soon_threadsafe(function, *arguments)


def _encryption(broker: MqttBroker) -> ssl.SSLContext:
    """TLS as the system means it, with the name of the host checked.

    Raises:
        ConfigError: A file with certificates cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=broker.ca)
        if broker.certificate:
            context.load_cert_chain(broker.certificate, broker.key)
    except OSError as error:  # ssl's own errors are among them
        files = (broker.ca, broker.certificate, broker.key)
        names = ", ".join(str(path) for path in files if path)
        raise ConfigError([f"{names}: these certificates cannot be used: {error}"]) from error
    return context


def _client(name: str) -> Any:
    """A client of either generation, whose callbacks take what both of them give."""
    if hasattr(mqtt, "CallbackAPIVersion"):
        version = mqtt.CallbackAPIVersion.VERSION2
        return mqtt.Client(version, client_id=name, clean_session=True)
    return mqtt.Client(client_id=name, clean_session=True)
