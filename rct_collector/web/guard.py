"""Who may speak to the server at all: requests that a foreign page has made are none of ours.

A browser sends a user's cookie along with whatever any page asks it to send, and a stranger's name
may be made to lead to 127.0.0.1 (DNS rebinding). So ``Host`` must be a name of this server, and
``Origin``, which no page can forge, one of its own. No I/O.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from rct_collector.errors import ConfigError

#: Names of this host for itself.
_LOCAL = ("localhost", "127.0.0.1", "[::1]")

_PORTS = {"http": 80, "https": 443}


class Guard:
    """What may stand in ``Host`` and ``Origin``.

    Attributes:
        secure: People come by TLS, by a proxy in front of the server; cookies are for that alone.
    """

    def __init__(self, port: int, public: Iterable[str] = ()) -> None:
        """Know the names of the server.

        Args:
            port: Where it listens.
            public: Addresses by which others reach it, such as ``https://solar.example``.

        Raises:
            ConfigError: One of those is no such address.
        """
        self._port = port
        self._origins = {f"http://{name}:{port}" for name in _LOCAL}
        self._hosts = {f"{name}:{port}" for name in _LOCAL}
        if port == _PORTS["http"]:
            self._origins |= {f"http://{name}" for name in _LOCAL}
            self._hosts |= set(_LOCAL)
        self.secure = False
        for address in public:
            self._publish(address)

    def _publish(self, address: str) -> None:
        try:
            parts = urlsplit(address)
            port = parts.port
        except ValueError as error:
            raise ConfigError([f"{address}: {error}"]) from error
        right = parts.scheme in _PORTS and parts.hostname and not parts.username
        if not right or parts.path not in ("", "/") or parts.query or parts.fragment:
            raise ConfigError(
                [f"{address}: the address people type, such as https://solar.example, is expected"]
            )
        host = parts.hostname if ":" not in (parts.hostname or "") else f"[{parts.hostname}]"
        named = f"{host}:{port}" if port not in (None, _PORTS[parts.scheme]) else f"{host}"
        self._origins.add(f"{parts.scheme}://{named}")
        self._hosts.add(named)
        self.secure = self.secure or parts.scheme == "https"

    def host_is_ours(self, host: str | None, here: str) -> bool:
        """Whether a request means this server.

        Args:
            host: Its ``Host``.
            here: The address of this host that it has reached: as a number in ``Host``, it is ours,
                since no stranger's name can become one.
        """
        if not host:
            return False
        return host.lower() in self._hosts or host == self._numbered(here)

    def origin_is_ours(self, origin: str | None, here: str, *, needed: bool) -> bool:
        """Whether a request was made by our own page, or by a program.

        Args:
            origin: Its ``Origin``.
            here: As for :meth:`host_is_ours`.
            needed: A program may leave it out, but not who comes with a cookie.
        """
        if origin is None:
            return not needed
        numbered = self._numbered(here)
        return origin.lower() in self._origins or bool(numbered and origin == f"http://{numbered}")

    def _numbered(self, here: str) -> str:
        try:
            address = ipaddress.ip_address(here.partition("%")[0])
        except ValueError:
            return ""
        host = f"[{address}]" if address.version == 6 else str(address)
        return host if self._port == _PORTS["http"] else f"{host}:{self._port}"
