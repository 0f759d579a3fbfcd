"""What ``timeseries2csv.py`` of rctclient calls the signals of the logger, and what is here."""

from __future__ import annotations

from rct_collector.drivers.rct.history import HISTORY
from rct_collector.markdown import code, table


def columns() -> str:
    """A table: column of its files, resolutions, field of ``inverter_history``, conversion."""
    found: dict[tuple[str, str, float], list[str]] = {}
    for query, kept in HISTORY.kept.items():
        for binding in kept.bindings:
            stem = query.name.removeprefix("logger.").removesuffix("log_ts").rstrip("_")
            resolution, _, signal = stem.partition("_")
            if signal:
                field = binding.series[0].metric.field
                found.setdefault((signal, field, binding.scale), []).append(resolution)
    rows = (
        (code(signal), ", ".join(resolutions), code(field), _conversion(scale))
        for (signal, field, scale), resolutions in sorted(found.items())
    )
    return table(("Column", "`--resolution`", "Field here", "Conversion"), rows)


def _conversion(scale: float) -> str:
    if scale == 1:
        return ""
    return "sign turned round" if scale == -1 else f"× {scale:g}"
