"""A serial port of this host: RS232, or an adapter to RS485.

::

    serial:///dev/ttyUSB0
    serial:///dev/ttyUSB0?baud=2400
    serial:///dev/serial/by-id/usb-FTDI_FT232R_A10K5X-if00-port0?baud=9600&parity=even
    serial:/dev/ttyS0?rs485=on
    serial:///dev/ttyUSB0?mode=master&units=7F101234,7F105678

Bits are those of nearly all inverters unless the address says otherwise: eight of data, no parity,
one stop bit. The rate is the driver's. Links under ``/dev/serial/by-id`` and ``by-path`` stay as
they are written, since they outlast the next plugging, and are one line with the port that they
lead to.

The port is ours alone while it is open: it is locked (flock), and the kernel lets no other program
open it (TIOCEXCL), root excepted. Whoever has it open all the same is told of as far as that shows:
bytes that another one reads do not come here. An adapter that is pulled out ends the line, and is
found again by its link.

pyserial opens ports and sets them. It is loaded when the first one is opened, and holds none of
them: its own calls wait, or need a thread, so the loop reads and writes the descriptor.

Sources: POSIX, termios; Linux, ioctl_tty(2); pyserial 3.5, ``serialposix.py``.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import termios
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from rct_collector.errors import TransportError
from rct_collector.processes import described
from rct_collector.transport import bus
from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.base import Lost, Receive
from rct_collector.transport.nodes import (
    NodeError,
    NodeLine,
    be_alone,
    be_node,
    locked,
    other_opener,
    told,
    words_of,
)
from rct_collector.transport.paths import name_of, one_of, path_of, read_path, where_it_leads

if TYPE_CHECKING:
    from serial import Serial

DESCRIPTION = "A serial port of this host, RS232 or RS485."

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
    return read_path("serial", text, PARAMETERS, defaults, example(defaults), bus.read)


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address)


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`; while pyserial opens a port it takes four more, for pipes."""
    return 6


#: Bytes that a port may have before it; at 2400 baud they take 17 s. Requests are far shorter.
_MOST_UNSENT = 4096

#: Somebody else reads the port where it was empty, though it had said that there was something to
#: read, so often more than once in ten readings.
_MOST_MISSED = 8
_READ_FOR_A_MISS = 10

#: Why a port cannot be opened, in words that say what to do.
_REASONS = {
    errno.ENOENT: "there is no such port; the adapter may not be plugged in",
    errno.ENOTTY: "it is no serial port",
}


class _Port(NodeLine):
    """An open port."""

    WHAT = "port"

    def __init__(self, descriptor: int, peer: Address, receive: Receive, lost: Lost) -> None:
        super().__init__(descriptor, peer, receive, lost)
        self._unsent = bytearray()
        self._missed_reads = 0

    def send(self, data: bytes) -> None:
        if self._descriptor < 0:
            return
        if len(self._unsent) + len(data) > _MOST_UNSENT:
            self._end("the port does not pass on what is sent")
            return
        waiting = bool(self._unsent)
        self._unsent += data
        if not waiting:
            self._writable()

    def _writable(self) -> None:
        try:
            del self._unsent[: os.write(self._descriptor, self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            self._unsent.clear()
            self._end_soon(f"the port is gone: {words_of(error)}")
        if self._unsent:
            self._loop.add_writer(self._descriptor, self._writable)
        else:
            self._loop.remove_writer(self._descriptor)

    def _missed(self) -> None:
        """Somebody else was faster: root may open any port, and has not to be seen by others."""
        self._missed_reads += _READ_FOR_A_MISS
        if self._missed_reads >= _MOST_MISSED * _READ_FOR_A_MISS:
            other = other_opener(path_of(self.peer))
            who = described(other) if other else "another program"
            self._end(f"{who} reads the port, too, and takes away what comes; stop one of the two")

    def _kept(self, data: bytes) -> bytes:
        self._missed_reads = max(self._missed_reads - 1, 0)
        return data

    def _shut(self, descriptor: int) -> None:
        self._loop.remove_writer(descriptor)
        with contextlib.suppress(termios.error, OSError):  # or closing waits for what is unsent
            termios.tcflush(descriptor, termios.TCIOFLUSH)
        # It would stay ours where a program at the other end has the port open as well.
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, termios.TIOCNXCL)
        super()._shut(descriptor)


async def open_line(address: Address, receive: Receive, lost: Lost, timeout: float) -> _Port:
    """Open a port and set it as the address says; see :class:`.base.Transport`.

    What has arrived before is dropped: nobody has asked for it.

    Args:
        address: Its link is followed anew each time.
        receive: Called with bytes as they arrive.
        lost: Called once when the port is gone.
        timeout: Not needed, since opening does not wait.

    Raises:
        TransportError: With words for people.
    """
    path = path_of(address)
    port = _port(address.options)
    with told(f"the serial port {path}", path, udev_rule(path), _REASONS):
        descriptor = _open(port, path)
    return _Port(descriptor, where_it_leads(address), receive, lost)


def udev_rule(path: str) -> str:
    """What tells a port apart in a rule of udev.

    Args:
        path: Of its node, or of a link to it.
    """
    return f'SUBSYSTEM=="tty", KERNEL=="{Path(os.path.realpath(path)).name}"'


def _port(options: Mapping[str, str]) -> Serial:
    """A port that is not open yet, set as an address says.

    Raises:
        TransportError: There is no pyserial.
    """
    try:
        from serial import Serial
        from serial.rs485 import RS485Settings
    except ImportError as error:
        raise TransportError(
            "serial ports need the library pyserial, which is missing: install the package"
            " python3-serial, or with pip the extra rct-collector[serial]"
        ) from error
    port = Serial(
        baudrate=int(options.get("baud", "9600")),
        bytesize=int(options.get("databits", "8")),
        parity=options.get("parity", "none")[0].upper(),
        stopbits=int(options.get("stopbits", "1")),
        timeout=0,
        exclusive=True,
    )
    sender = options.get("rs485", "off")
    if sender != "off":
        high = sender == "on"
        port.rs485_mode = RS485Settings(rts_level_for_tx=high, rts_level_for_rx=not high)
    return port


def _open(port: Serial, path: str) -> int:
    """Open a port, and keep its descriptor alone.

    Raises:
        OSError: It cannot be opened or set so, or is not for us alone.
    """
    status = Path(path).stat()
    be_node(status)
    port.port = path
    try:
        port.open()
    except (OSError, ValueError) as error:
        raise _cause(error, status) from error
    with port:
        be_alone(path)
        _finish(port.fileno())
        return os.dup(port.fileno())  # the lock is that of both


def _cause(error: OSError | ValueError, status: os.stat_result) -> OSError:
    """What the system has said; pyserial keeps the number of it in words, as a rule.

    Args:
        error: Of pyserial.
        status: Of the node.
    """
    found = getattr(error, "errno", None) or getattr(error.__context__, "args", (0,))[0]
    if found in (errno.EAGAIN, errno.EWOULDBLOCK):  # only locks are waited for
        return locked(status)
    return OSError(found, os.strerror(found)) if isinstance(found, int) else NodeError(str(error))


def _finish(descriptor: int) -> None:
    """Set what pyserial leaves as it was.

    Raises:
        OSError: It cannot be set so.
    """
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    try:
        attributes = termios.tcgetattr(descriptor)
        # A break on the line would make the system drop what has come (BRKINT).
        attributes[_INPUT_FLAGS] = 0
        # Without a byte to wait for, reading nothing could not be told from the end.
        attributes[_SPECIALS][termios.VMIN] = 1
        termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
    except termios.error as error:
        raise OSError(*error.args) from error


#: Places in what termios.tcgetattr() gives.
_INPUT_FLAGS, _SPECIALS = 0, 6
