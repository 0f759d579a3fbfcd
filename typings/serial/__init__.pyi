"""What is used of pyserial, so that types are checked where it is not installed."""

from types import TracebackType
from typing import Self

from serial.rs485 import RS485Settings

class Serial:
    port: str | None
    rs485_mode: RS485Settings | None

    def __init__(
        self,
        *,
        baudrate: int = ...,
        bytesize: int = ...,
        parity: str = ...,
        stopbits: float = ...,
        timeout: float | None = ...,
        exclusive: bool | None = ...,
    ) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...
    def open(self) -> None: ...
    def fileno(self) -> int: ...
