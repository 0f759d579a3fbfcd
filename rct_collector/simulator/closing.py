"""What is put on a network or a port, and taken away at the end of a ``with``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self


class Closing(ABC):
    """Is closed where its ``async with`` ends."""

    @abstractmethod
    def close(self) -> None:
        """Take it away for ever."""

    async def wait_closed(self) -> None:  # noqa: B027 - there may be nothing to wait for
        """Wait until all that is done."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        await self.wait_closed()
