"""Finds out what is at the places where a device may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from rct_collector.config import DeviceConfig
from rct_collector.device.options import Options
from rct_collector.drivers.base import Driver
from rct_collector.finder.listening import UNITS, overhear
from rct_collector.finder.network import Attempt, CountingOpener, sweep
from rct_collector.finder.places import Place
from rct_collector.finder.probe import Identification, identify
from rct_collector.lines.reconnect import CONNECT_TIMEOUT
from rct_collector.option import Invalid
from rct_collector.transport import hosts, parse_address

#: Seconds that the answers of one family at one place are waited for: a detection that is not
#: answered asks for several dialects, one after the other.
ANSWERS_S = 20.0


class Finder:
    """Asks at places; one after the other where they are devices of this host.

    Attributes:
        failures: Why there was no connection, kind → times; see :class:`.network.CountingOpener`.
    """

    def __init__(self, families: Sequence[Driver], options: Options | None = None) -> None:
        """Do nothing yet.

        Args:
            families: The drivers whose devices are looked for.
            options: Transports, clock and lock.
        """
        options = options or Options()
        self._families = {family.name: family for family in families}
        self._options = options
        opener = CountingOpener(options.opener)
        self._at_hosts = replace(options, opener=opener)
        self.failures: Counter[str] = opener.failures

    @property
    def ports(self) -> dict[str, str]:
        """Driver → TCP port, of those that can be found in a network."""
        return {
            name: port
            for name, family in self._families.items()
            if (port := family.ways.get("tcp", {}).get("port")) and family.tools().search().queries
        }

    async def probe(self, place: Place) -> Place:
        """Ask at a place of this host, one family after the other until one is answered.

        Args:
            place: As it was found.

        Returns:
            The same, with what was said, or why nothing was.
        """
        if place.trouble:
            return place
        reasons = []
        for name, text in place.addresses.items():
            found = await self._ask(name, text, self._options, CONNECT_TIMEOUT)
            if found is None:
                continue
            if found.facts:
                return self._told(place, name, found)
            reasons.append(found.trouble)
        return replace(place, trouble="; ".join(dict.fromkeys(reasons)))

    @property
    def talkers(self) -> list[str]:
        """The drivers whose units are found by listening at serial ports."""
        return [
            name
            for name, family in self._families.items()
            if "serial" in family.ways and family.tools().search().talks
        ]

    @property
    def callers(self) -> dict[str, str]:
        """Driver → where its units call, of those whose units wait nowhere for us to be found."""
        return {
            name: f"listen://0.0.0.0:{family.ways['listen']['port']}"
            for name, family in self._families.items()
            if family.polled is None and "port" in family.ways.get("listen", {})
        }

    async def listen(self, place: Place, seconds: float) -> Place:
        """Listen at a serial port of this host, for one family after the other.

        Args:
            place: As it was found, or as asking has left it.
            seconds: How long to listen for each.

        Returns:
            The same, with who was heard, or why nobody was.
        """
        if place.kind != "serial" or place.trouble or place.said:
            return place
        reasons = []
        for name in self.talkers:
            if name not in place.addresses:
                continue
            text = place.addresses[name]
            config = self._config(name, text)
            if isinstance(config, str):
                reasons.append(config)
                continue
            found = await overhear(config, self._options, open_s=CONNECT_TIMEOUT, seconds=seconds)
            if found.facts:
                said = {"heard": str(found.facts[UNITS])}
                return replace(place, driver=name, said=said, addresses={name: text})
            reasons.append(found.trouble)
        return replace(place, trouble="; ".join(dict.fromkeys(reasons)))

    async def search(
        self, addresses: list[str], tell: Callable[[Attempt, int], None]
    ) -> list[Place]:
        """Ask at addresses of a network.

        Args:
            addresses: All of them.
            tell: Is told how far it has come, and how many devices were found.

        Returns:
            Where somebody listens, in the order of the addresses.
        """
        found: dict[str, Place] = {}

        async def visit(host: str) -> None:
            for place in [
                place for name in self.ports if (place := await self._ask_host(name, host))
            ]:
                found.setdefault(host, place)
                if place.said:
                    found[host] = place

        async for attempt in sweep(addresses, visit):
            tell(attempt, len(found))
        return [found[host] for host in addresses if host in found]

    async def _ask_host(self, name: str, host: str) -> Place | None:
        """Ask one family's question at one host; None where nobody listens."""
        place = hosts.joined(host, int(self.ports[name]))
        text = f"tcp://{hosts.joined(host, None)}"
        found = await self._ask(name, text, self._at_hosts, CONNECT_TIMEOUT)
        if found is None or not (found.opened or found.is_held):
            return None
        listed = Place(kind="network", node=place, addresses={name: text}, trouble=found.trouble)
        return self._told(listed, name, found) if found.facts else listed

    async def _ask(
        self, name: str, text: str, options: Options, open_s: float
    ) -> Identification | None:
        """Ask one family's questions at an address; None for a family without any."""
        family = self._families[name]
        search = family.tools().search()
        if not search.queries:
            return None
        config = self._config(name, text)
        if isinstance(config, str):
            return Identification({}, opened=False, trouble=config)
        return await identify(config, search, options, open_s=open_s, seconds=ANSWERS_S)

    def _config(self, name: str, text: str) -> DeviceConfig | str:
        """A device of a family as it would be configured, or why there can be none."""
        try:
            address = parse_address(text, self._families[name].ways)
        except Invalid as error:
            return f"{text} is no address: expected {error}"
        return DeviceConfig(name=address.place, driver=name, address=address)

    def _told(self, place: Place, name: str, found: Identification) -> Place:
        words = self._families[name].tools().search().words
        addresses = {name: place.addresses[name]}
        return replace(place, driver=name, said=words(found.facts), addresses=addresses)
