"""Which answer belongs to which request, in one dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rct_collector.drivers.voltronic.simulator.answer import Maker

#: What stands behind a command, such as the number of a unit or a date → answer; None of no such.
Argued = Callable[[str], Maker | None]


class Vocabulary:
    """The requests of a dialect."""

    def __init__(
        self, plain: Mapping[str, Maker], argued: Mapping[str, Argued] | None = None
    ) -> None:
        """Put it together.

        Args:
            plain: Request → answer.
            argued: Letters before the digits of a request → digits → answer.
        """
        self._plain, self._argued = plain, argued or {}

    def __call__(self, text: str) -> Maker | None:
        """What answers a request; None if nothing does."""
        found = self._plain.get(text)
        if found is not None:
            return found
        word = text.rstrip("0123456789")
        argued = self._argued.get(word)
        return argued(text[len(word) :]) if argued and text != word else None
