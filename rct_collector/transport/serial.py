"""A serial port of this host: RS232, or an adapter to RS485.

::

    serial:///dev/ttyUSB0
    serial:///dev/ttyUSB0?baud=2400
    serial:///dev/serial/by-id/usb-FTDI_FT232R_A10K5X-if00-port0?baud=9600&parity=even
    serial:/dev/ttyS0?rs485=on

Bits are those of nearly all inverters unless the address says otherwise: eight of data, no parity,
one stop bit. The rate is the driver's. Links under ``/dev/serial/by-id`` and ``by-path`` stay as
they are written, since they outlast the next plugging, and are one line with the port that they
lead to.
"""

from __future__ import annotations

from collections.abc import Mapping

from rct_collector.transport.address import Address
from rct_collector.transport.paths import Parameter, name_of, one_of, read_path

DESCRIPTION = "a serial port of this host, RS232 or RS485"

#: Rates that serial ports have names for (POSIX and Linux, termios(3)).
BAUD_RATES = (
    *(1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800),
    *(500000, 921600, 1000000),
)

PARAMETERS: Mapping[str, Parameter] = {
    "baud": one_of(*map(str, BAUD_RATES), meaning="Bits per second."),
    "databits": one_of("7", "8", meaning="Bits of a character; 8 unless given."),
    "parity": one_of("none", "even", "odd", meaning="Parity bit; none unless given."),
    "stopbits": one_of("1", "2", meaning="Stop bits; 1 unless given."),
    "rs485": one_of(
        "off", "on", "inverted",
        meaning="Who switches the sender of an RS485 port: itself (off), as most adapters do, or"
        " the system by RTS, which is high (on) or low (inverted) while it sends.",
    ),
}  # fmt: skip


def example(defaults: Mapping[str, str]) -> str:
    """See :class:`.base.Transport`."""
    return f"serial:///dev/ttyUSB0?baud={defaults.get('baud', '9600')}"


def parse(text: str, defaults: Mapping[str, str]) -> Address:
    """See :class:`.base.Transport`; the defaults are options, and one of them is ``baud``."""
    return read_path("serial", text, PARAMETERS, defaults, example(defaults))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address)


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1
