"""What an examination found, as text and as JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from rct_collector.cli.console import console, show, write_json
from rct_collector.config import DeviceConfig
from rct_collector.doctor.diagnosis import Diagnosis
from rct_collector.doctor.figures import Figures, PaceFigures, UnitFigures, quantile
from rct_collector.doctor.findings import Finding, Severity
from rct_collector.doctor.format import milliseconds, pace_text, percent
from rct_collector.doctor.recommendation import Recommendation, changes, listing, snippet

#: Running text is no wider than this.
_WIDTH = 96

_STYLES = {Severity.NOTE: "dim", Severity.WARNING: "yellow", Severity.PROBLEM: "bold red"}

#: What becomes of what was told meanwhile.
_KEPT = "What they told was not acknowledged: whoever collects next is told it again."

#: How what is heard of others is called; who is not listed is called by name.
_OTHERS = {
    "answer": "answers to others",
    "plant": "plant frames",
    "write": "writes of others",
    "echo": "echoes of requests",
}


def print_text(device: DeviceConfig, family: str, figures: Figures, found: Diagnosis) -> None:
    """Print a report for people."""
    out = console()
    width = min(out.width, _WIDTH)
    parts: list[RenderableType] = [*_heading(device, family, figures)]
    asked = figures.answers and not figures.talks
    if asked:
        parts += [*_unit(figures), *_line(figures), *_others(figures)]
    elif figures.talks:
        parts += _talkers(figures)
    parts += _findings(found, width)
    if asked:
        parts += _settings(device, found.recommendation)
    elif figures.settings:
        parts += _listing(device, figures)
    show(out, *parts)


def _heading(device: DeviceConfig, family: str, figures: Figures) -> Iterator[RenderableType]:
    head = Text(device.name, style="bold")
    head.append(f"  {device.address}", style="not bold")
    yield head
    form = {"model": "{}", "serial": "serial {}", "firmware": "firmware {}"}
    words = [form[key].format(text) for key, text in figures.identity.items()]
    if words:
        yield Text(", ".join([family, *words]))


def _title(text: str, note: str = "") -> Iterator[Text]:
    yield Text()
    title = Text(text, style="bold")
    yield title.append(f"  {note}", style="not bold dim") if note else title


def _unit(figures: Figures) -> Iterator[RenderableType]:
    pairs = list(figures.equipment)
    if figures.drift is not None:
        pairs.append(("clock", f"{figures.drift:+.0f} s against this host"))
    if pairs:
        yield from _title("Unit")
        yield _pairs(pairs)


def _line(figures: Figures) -> Iterator[RenderableType]:
    note = f"{figures.answers} answers to {figures.requests} requests in {figures.seconds:.0f} s"
    yield from _title("Line", note)
    table = _table()
    table.add_column("pace", style="dim")
    for head in ("requests", "lost", "of them late", "half within", "95 % within", "slowest"):
        table.add_column(head, justify="right")
    for pace in figures.paces:
        if pace.requests:
            table.add_row(pace_text(pace.pace), *_pace(pace))
    yield table


def _pace(pace: PaceFigures) -> tuple[str, ...]:
    waits = pace.latencies + pace.late
    times = (quantile(waits, 0.5), quantile(waits, 0.95), max(waits, default=0.0))
    return (
        str(pace.requests),
        percent(pace.loss),
        str(len(pace.late)),
        *(milliseconds(time) if waits else "–" for time in times),
    )


def _others(figures: Figures) -> Iterator[RenderableType]:
    yield from _title("Others on the line")
    heard = [
        (_OTHERS.get(kind, kind), f"{figures.per_minute(kind):.1f} per minute")
        for kind, count in figures.others.items()
        if count
    ]
    yield _pairs(heard) if heard else Text("none heard")


def _talkers(figures: Figures) -> Iterator[RenderableType]:
    """Units that are not asked, and what was heard of them."""
    calls = figures.calls
    called = f", {calls.open} calls, {calls.rejected} hung up on" if calls else ""
    yield from _title("Units", f"{len(figures.units)} heard in {figures.seconds:.0f} s{called}")
    table = _table()
    table.add_column("unit", style="dim")
    for head in ("spoke", "every", "records", "newest"):
        table.add_column(head, justify="right")
    table.add_column("of")
    for name, unit in figures.units.items():
        every = "–" if unit.every is None else f"{unit.every:.0f} s"
        newest = _age(min(unit.lags)) if unit.lags else "–"
        of = ", ".join(f"{part} {count}" for part, count in unit.parts.items())
        counts = str(len(unit.times)), every, str(sum(unit.records.values())), newest
        table.add_row(*map(Text, (name, *counts, of)))
    if figures.units:
        yield table
    if figures.units and figures.keeps:
        yield Text(_KEPT, style="dim")


def _age(seconds: float) -> str:
    return f"{seconds:.0f} s old" if seconds >= 0 else f"{-seconds:.0f} s ahead"


def _listing(device: DeviceConfig, figures: Figures) -> Iterator[RenderableType]:
    """Settings that let in whoever was heard."""
    yield from _title("Recommended settings", "let in those that were heard, and nobody else")
    yield Text(listing(figures.settings, device).rstrip())


def _findings(found: Diagnosis, width: int) -> Iterator[RenderableType]:
    yield from _title("Findings", "" if found.severity is Severity.PROBLEM else "no problem")
    for n, finding in enumerate(found.findings):
        if n:
            yield Text()
        yield from _finding(finding, width)


def _finding(finding: Finding, width: int) -> Iterator[Text]:
    head = Text(f"{finding.severity.word}: ", style=_STYLES[finding.severity])
    yield head.append(finding.title, style="not dim default")
    rows = (("measured", finding.measured), ("means", finding.meaning), ("do", finding.advice))
    for label, text in rows:
        lines = textwrap.wrap(text, width - 12, break_long_words=False, break_on_hyphens=False)
        for n, line in enumerate(lines):
            row = Text(f"  {label if not n else '':10}", style="dim")
            yield row.append(line, style="not dim")


def _settings(device: DeviceConfig, found: Recommendation) -> Iterator[RenderableType]:
    different = changes(found, device)
    yield from _title("Recommended settings", "" if different else "as they are")
    for change in different:
        yield Text(change)
    if different:
        yield Text()
    yield Text(snippet(found, device).rstrip())


def _pairs(rows: Iterable[tuple[str, str]]) -> Table:
    table = _table(show_header=False)
    table.add_column(style="dim")
    table.add_column()
    for label, text in rows:
        table.add_row(Text(label), Text(text))
    return table


def _table(**more: Any) -> Table:  # noqa: ANN401 - options of rich
    return Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", **more)


# -- for scripts -------------------------------------------------------------------------------


def print_json(device: DeviceConfig, family: str, figures: Figures, found: Diagnosis) -> None:
    """Print everything as one JSON object; times in seconds, shares from 0 to 1."""
    content = {
        "source": device.name,
        "address": str(device.address),
        "family": family,
        "complete": figures.complete,
        "seconds": round(figures.seconds, 3),
        "requests": figures.requests,
        "answers": figures.answers,
        "trouble": figures.trouble and figures.trouble._asdict(),
        "unit": {
            **figures.identity,
            "equipment": dict(figures.equipment),
            "clock_difference_seconds": figures.drift,
            "unanswered": list(figures.unanswered),
            **({"undecided": list(figures.undecided)} if figures.undecided else {}),
        },
        **(_talk_json(figures) if figures.talks else {}),
        "paces": [_pace_json(pace) for pace in figures.paces],
        "others_per_minute": {
            kind: round(figures.per_minute(kind), 3) for kind, n in figures.others.items() if n
        },
        "damaged": {kind: count for kind, count in figures.damaged.items() if count},
        "hangups": figures.hangups,
        "findings": [_finding_json(finding) for finding in found.findings],
        "settings": _talk_settings(figures, device)
        if figures.talks
        else {
            "requests": vars(found.recommendation.requests),
            "intervals": vars(found.recommendation.intervals),
            "changes": changes(found.recommendation, device),
            "yaml": snippet(found.recommendation, device),
        },
    }
    write_json(content, indent=2)


def _talk_json(figures: Figures) -> dict[str, Any]:
    """What is only there of units that talk."""
    calls = figures.calls
    return {
        "units": {name: _unit_json(unit) for name, unit in figures.units.items()},
        "calls": calls and calls._asdict(),
        "reasons": {kind: list(texts) for kind, texts in figures.reasons.items()},
    }


def _unit_json(unit: UnitFigures) -> dict[str, Any]:
    return {
        "spoke": len(unit.times),
        "every_seconds": None if unit.every is None else round(unit.every, 3),
        "records": dict(unit.records),
        "parts": dict(unit.parts),
        "repeated": unit.repeated,
        "misdated": unit.misdated,
        "newest_seconds_old": round(min(unit.lags), 3) if unit.lags else None,
        "oldest_seconds_old": round(max(unit.lags), 3) if unit.lags else None,
    }


def _talk_settings(figures: Figures, device: DeviceConfig) -> dict[str, Any]:
    return {"options": dict(figures.settings), "yaml": listing(figures.settings, device)}


def _pace_json(pace: PaceFigures) -> dict[str, Any]:
    waits = pace.latencies + pace.late
    return {
        "gap": pace.pace.gap,
        "window": pace.pace.window,
        "requests": pace.requests,
        "loss": round(pace.loss, 4),
        "late": len(pace.late),
        "missing": pace.missing,
        "spoiled": pace.spoiled,
        "latency": {
            "median": round(quantile(waits, 0.5), 4),
            "p95": round(quantile(waits, 0.95), 4),
            "worst": round(max(waits, default=0.0), 4),
        }
        if waits
        else None,
    }


def _finding_json(finding: Finding) -> dict[str, str]:
    return {**vars(finding), "severity": finding.severity.word}
