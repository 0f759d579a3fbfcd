"""What only RCT Power units have, and how hard they are asked."""

from __future__ import annotations

from dataclasses import dataclass

from rct_collector.drivers.options import (
    FamilyOptions,
    Requests,
    gap,
    per_second,
    timeout,
    window,
)
from rct_collector.option import option, parse_bool


@dataclass(frozen=True, kw_only=True)
class RctOptions(FamilyOptions):
    """The options that only RCT Power units have."""

    cells: bool = option(
        parse_bool, "Publish every single battery cell; minimum, maximum and spread come anyway.",
        example="true", takes="true or false", default=False, shown="false",
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RctRequests(Requests):
    """What RCT Power units in the field stand well."""

    per_second: float = per_second(5)
    gap: float = gap("60ms")
    window: int = window(4)
    timeout: float = timeout("2s")
