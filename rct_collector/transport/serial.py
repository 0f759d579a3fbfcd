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

The port is ours alone while it is open: the kernel lets no other program open it (TIOCEXCL), root
excepted. An adapter that is pulled out ends the line, and is found again by its link.

Sources: POSIX, termios; Linux, ioctl_tty(2) and ``linux/serial.h`` (struct serial_rs485).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import struct
import termios
from collections.abc import Mapping

from rct_collector.errors import TransportError
from rct_collector.transport.address import Address, Parameter
from rct_collector.transport.base import READ_BYTES, Lost, Receive
from rct_collector.transport.paths import name_of, one_of, path_of, read_path, where_it_leads

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
    return read_path("serial", text, PARAMETERS, defaults, example(defaults))


def name(address: Address) -> str:
    """See :class:`.base.Transport`."""
    return name_of(address)


def descriptors(_: Address) -> int:
    """See :class:`.base.Transport`."""
    return 1


#: Bytes that a port may have before it; at 2400 baud they take 17 s. Requests are far shorter.
_MOST_UNSENT = 4096

_PARITY = {"none": 0, "even": termios.PARENB, "odd": termios.PARENB | termios.PARODD}

#: Linux: asm-generic/ioctls.h and linux/serial.h.
_TIOCSRS485 = 0x542F
_RS485 = struct.Struct("=3I5I")
_ENABLED, _RTS_ON_SEND, _RTS_AFTER_SEND = 0x1, 0x2, 0x4
_RS485_FLAGS = {"on": _ENABLED | _RTS_ON_SEND, "inverted": _ENABLED | _RTS_AFTER_SEND}

#: Why a port cannot be opened, in words that say what to do.
_REASONS = {
    errno.ENOENT: "there is no such port; the adapter may not be plugged in",
    errno.ENXIO: "there is no device at this port",
    errno.EACCES: "this user may not open it; serial ports are mostly for the group dialout",
    errno.EBUSY: "another program has it open",
    errno.ENOTTY: "it is no serial port",
    errno.EIO: "the adapter does not answer",
}


class _Port:
    """An open port.

    Attributes:
        peer: The port that the address leads to, by its own path.
    """

    def __init__(self, descriptor: int, peer: Address, receive: Receive, lost: Lost) -> None:
        self.peer = peer
        self._descriptor = descriptor
        self._receive = receive
        self._lost = lost
        self._unsent = bytearray()
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._readable)

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

    def pause(self) -> None:
        if self._descriptor >= 0 and not self._paused:
            self._paused = True
            self._loop.remove_reader(self._descriptor)

    def resume(self) -> None:
        if self._descriptor >= 0 and self._paused:
            self._paused = False
            self._loop.add_reader(self._descriptor, self._readable)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            self._loop.remove_reader(descriptor)
            self._loop.remove_writer(descriptor)
            with contextlib.suppress(termios.error, OSError):  # or closing waits for what is unsent
                termios.tcflush(descriptor, termios.TCIOFLUSH)
            os.close(descriptor)

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(f"the port is gone: {(error.strerror or str(error)).lower()}")
            return
        if data:
            self._receive(data)
        else:
            self._end("the port is gone")

    def _writable(self) -> None:
        try:
            del self._unsent[: os.write(self._descriptor, self._unsent)]
        except BlockingIOError:
            pass
        except OSError as error:
            # Told from the loop: whoever sends expects no answer at once.
            reason = f"the port is gone: {(error.strerror or str(error)).lower()}"
            self._unsent.clear()
            self._loop.call_soon(self._end, reason)
        if self._unsent:
            self._loop.add_writer(self._descriptor, self._writable)
        else:
            self._loop.remove_writer(self._descriptor)

    def _end(self, reason: str) -> None:
        if self._descriptor >= 0:
            self.close()
            self._lost(reason)


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
    with contextlib.ExitStack() as undo:
        try:
            # Not waiting for a carrier (O_NONBLOCK), and never making a file (no O_CREAT).
            descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            undo.callback(os.close, descriptor)
            _set(descriptor, address.options)
        except (OSError, termios.error) as error:
            number = error.args[0] if error.args else 0
            reason = _REASONS.get(number) or str(error.args[-1]).lower()
            raise TransportError(f"cannot open the serial port {path}: {reason}") from error
        undo.pop_all()
    return _Port(descriptor, where_it_leads(address), receive, lost)


def _set(descriptor: int, options: Mapping[str, str]) -> None:
    """Set a port: bytes pass as they are, and none is waited for.

    Raises:
        OSError: The port cannot be set so.
        termios.error: Likewise.
    """
    fcntl.ioctl(descriptor, termios.TIOCEXCL)
    *_, specials = termios.tcgetattr(descriptor)
    speed = getattr(termios, f"B{options.get('baud', '9600')}", None)
    if speed is None:
        raise OSError(errno.EINVAL, "this system does not know the rate")
    control = termios.CREAD | termios.CLOCAL
    control |= termios.CS7 if options.get("databits") == "7" else termios.CS8
    if options.get("stopbits") == "2":
        control |= termios.CSTOPB
    control |= _PARITY[options.get("parity", "none")]
    specials[termios.VMIN], specials[termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSANOW, [0, 0, control, 0, speed, speed, specials])
    flags = _RS485_FLAGS.get(options.get("rs485", "off"))
    if flags:
        fcntl.ioctl(descriptor, _TIOCSRS485, _RS485.pack(flags, *[0] * 7))
    termios.tcflush(descriptor, termios.TCIFLUSH)
