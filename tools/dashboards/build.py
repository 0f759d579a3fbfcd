"""Puts the table, the queries and the looks together, with Grafana's own library."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    gauge,
    stat,
    statetimeline,
    statushistory,
    timeseries,
)
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.runtime import UnknownDataquery
from grafana_foundation_sdk.cog.variants import Dataquery
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    BigValueTextMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    AnnotationQuery,
    DashboardCursorSync,
    DataSourceRef,
    DynamicConfigValue,
    FieldColorModeId,
    GridPos,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from rct_collector.drivers import driver
from rct_collector.model import PollClass
from rct_collector.option import parse_duration

from .looks import DRIVER, description, digits, fault_text, own, told, unit
from .model import Choice, Kind, Panel, Row, Show
from .panels import CHOICES, ROWS
from .queries import LANGUAGES, Graphite, Language

#: Where the files are, seen from the root of the repository.
FOLDER = Path("docs/dashboards")

#: Columns of Grafana's grid.
COLUMNS = 24

#: Poll class → least distance of the points of a graph.
STEPS = {
    PollClass.FAST: "10s",
    PollClass.MEDIUM: "1m",
    PollClass.SLOW: "5m",
    PollClass.STATIC: "1h",
    PollClass.HISTORY: "5m",
}

#: Least time of a cell in a heat map: so often optimizers tell; and cells beside each other: a day.
_CELL, _MOST_CELLS = "5m", 288.0

AnyPanel = (
    bargauge.Panel
    | gauge.Panel
    | stat.Panel
    | statetimeline.Panel
    | statushistory.Panel
    | timeseries.Panel
)


def files(root: Path) -> Iterator[tuple[Path, str]]:
    """Every file, and what should be in it.

    Args:
        root: Folder of the repository.
    """
    for language in LANGUAGES:
        text = json.dumps(build(language).build(), cls=JSONEncoder, indent=1, ensure_ascii=False)
        yield root / FOLDER / f"{language.name}.json", text + "\n"


def build(language: Language) -> dashboard.Dashboard:
    """The dashboard for one data source."""
    made = (
        dashboard.Dashboard(f"Solar inverter ({language.title})")
        .uid(f"rct-collector-{language.name}")
        .description(
            f"Inverters read by rct-collector, as Telegraf writes them to {language.title}."
        )
        .tags(["solar", "rct-collector"])
        .time("now-24h", "now")
        .refresh("30s")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables(list(_variables(language)))
        .annotation(_Events(language))
    )
    return _Layout(made, language).fill(ROWS)


def _variables(
    language: Language,
) -> Iterator[dashboard.DatasourceVariable | dashboard.TextBoxVariable | dashboard.QueryVariable]:
    yield dashboard.DatasourceVariable("datasource").label("Data source").type(language.plugin)
    if isinstance(language, Graphite):
        yield (
            dashboard.TextBoxVariable("prefix")
            .label("Prefix")
            .description("Option prefix of Telegraf's Graphite output.")
            .default_value("solar")
            .current(VariableOption(text="solar", value="solar"))
        )
    for choice in CHOICES:
        yield _variable(language, choice)


def _variable(language: Language, choice: Choice) -> dashboard.QueryVariable:
    return (
        dashboard.QueryVariable(choice.tag)
        .label(choice.label)
        .datasource(_source(language))
        .query(language.values(choice))
        .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        .sort(VariableSort.NATURAL_ASC)
        .multi(choice.several)
        .include_all(choice.several)
    )


def _source(language: Language) -> DataSourceRef:
    return DataSourceRef(type_val=language.plugin, uid="${datasource}")


class _Layout:
    """Rows and panels, each with its number and its place."""

    def __init__(self, made: dashboard.Dashboard, language: Language) -> None:
        self._made = made
        self._language = language
        self._number = 0
        self._x = self._y = self._height = 0

    def fill(self, rows: tuple[Row, ...]) -> dashboard.Dashboard:
        """Put all rows in."""
        for row in rows:
            self._row(row)
        return self._made

    def _row(self, row: Row) -> None:
        self._break()
        heading = dashboard.Row(row.title).id(self._next()).grid_pos(self._place(COLUMNS, 1))
        self._break()
        if row.repeat:
            heading.repeat(row.repeat)
        below = self._y
        panels = [self._panel(panel) for panel in row.panels]
        if row.collapsed:  # its panels are kept in it, and take no place
            for panel in panels:
                heading.with_panel(panel)
            self._x, self._y, self._height = 0, below, 0
        self._made.with_row(heading.collapsed(row.collapsed))
        if not row.collapsed:
            for panel in panels:
                self._made.with_panel(panel)

    def _panel(self, panel: Panel) -> AnyPanel:
        made = draw(panel).id(self._next()).grid_pos(self._place(*panel.size))
        made.datasource(_source(self._language))
        for number, show in enumerate(panel.shows):
            window = panel.window if panel.kind.now else ""
            ref = chr(ord("A") + number)
            made.with_target(_Target(self._language, show, window, ref))
        return made

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _place(self, width: int, height: int) -> GridPos:
        if self._x + width > COLUMNS:
            self._break()
        place = GridPos(x=self._x, y=self._y, w=width, h=height)
        self._x += width
        self._height = max(self._height, height)
        return place

    def _break(self) -> None:
        self._x, self._y, self._height = 0, self._y + self._height, 0


class _Target(Builder[Dataquery]):
    """A query in a form that the library does not need to know."""

    def __init__(self, language: Language, show: Show, window: str, ref: str) -> None:
        self._query = {"refId": ref, **language.query(show, window)}

    def build(self) -> Dataquery:
        return UnknownDataquery(self._query)


class _Annotation(AnnotationQuery):
    """An annotation with what the library does not know, as each data source has it."""

    def __init__(self, language: Language) -> None:
        super().__init__("Events", _source(language), icon_color="orange")
        self._own = language.events()

    def to_json(self) -> dict[str, object]:
        return {**super().to_json(), **self._own}


class _Events(Builder[AnnotationQuery]):
    """Marks for what units tell to have happened."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def build(self) -> AnnotationQuery:
        return _Annotation(self._language)


# -- panels ------------------------------------------------------------------------------------


def draw(panel: Panel) -> AnyPanel:
    """A panel without number, place and queries."""
    made = DRAWERS[panel.kind](panel)
    made.title(panel.title).description(description(panel))
    first = panel.shows[0]
    made.unit(unit(first)).mappings(told(panel, first))
    places = digits(panel, first)
    if places is not None:
        made.decimals(places)
    if panel.missing:
        made.no_value(panel.missing)
    low, high = panel.scale
    if low is not None:
        made.min(low)
    if high is not None:
        made.max(high)
    if panel.limits:
        steps = [Threshold(value=value, color=colour) for value, colour in panel.limits]
        made.thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
    if panel.kind.now:
        made.time_from(panel.window).hide_time_override(True)
    else:
        made.interval(_CELL if panel.kind is Kind.HEAT else STEPS[panel.polls[0]])
    _overrides(made, panel)
    return made


def _overrides(made: AnyPanel, panel: Panel) -> None:
    for number, show in enumerate(panel.shows):
        options = own(panel, show)
        if panel.kind is Kind.STATES:  # the library lacks it among the panel's own options
            options.append(DynamicConfigValue("custom.spanNulls", _longest_gap(panel)))
        if options:
            made.override_by_query(chr(ord("A") + number), options)
        if show.name == "inverter_fault.active":
            for fault in driver(DRIVER).faults:
                name = DynamicConfigValue("displayName", fault_text(fault))
                made.override_by_name(str(fault), [name])


def _longest_gap(panel: Panel) -> int:
    """Milliseconds without a value over which a line goes on."""
    return round(parse_duration(panel.window) * 1000)


def _fixed(colour: str) -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(FieldColorModeId.FIXED).fixed_color(colour)


def _newest() -> common.ReduceDataOptions:
    return common.ReduceDataOptions().calcs(["lastNotNull"])


def _stat(panel: Panel) -> stat.Panel:
    return (
        stat.Panel()
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.VALUE)
        .text_mode(BigValueTextMode.VALUE_AND_NAME)
        .reduce_options(_newest())
        .color_scheme(_fixed("text"))
    )


def _by_limits() -> dashboard.FieldColor:
    return dashboard.FieldColor().mode(FieldColorModeId.THRESHOLDS)


def _gauge(panel: Panel) -> gauge.Panel:
    return gauge.Panel().reduce_options(_newest()).color_scheme(_by_limits())


def _bars(panel: Panel) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.VERTICAL)
        .reduce_options(_newest())
        .color_scheme(_by_limits() if panel.limits else _fixed("blue"))
    )


def _graph(panel: Panel) -> timeseries.Panel:
    wide = panel.size[0] == COLUMNS
    legend = common.VizLegendOptions().show_legend(True)
    if wide:
        legend.display_mode(LegendDisplayMode.TABLE).placement(LegendPlacement.RIGHT)
        legend.calcs(["lastNotNull", "min", "max"])
    else:
        legend.display_mode(LegendDisplayMode.LIST).placement(LegendPlacement.BOTTOM)
    made = (
        timeseries.Panel()
        .legend(legend)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.PALETTE_CLASSIC))
        .line_width(1)
        .fill_opacity(5)
        .show_points(VisibilityMode.NEVER)
        .span_nulls(_longest_gap(panel))
    )
    if panel.limits:
        made.thresholds_style(
            common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.DASHED)
        )
    return made


def _stack(panel: Panel) -> timeseries.Panel:
    stacking = common.StackingConfig().mode(StackingMode.NORMAL).group("A")
    return _graph(panel).stacking(stacking).fill_opacity(50)


def _days(panel: Panel) -> timeseries.Panel:
    return (
        _stack(panel)
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .fill_opacity(80)
        .time_from(f"{panel.days}d")
    )


def _periods(panel: Panel) -> timeseries.Panel:
    """Bars where days, months or years begin, of which a day has one at most."""
    return _days(panel).max_data_points(panel.days + 1)


def _states(panel: Panel) -> statetimeline.Panel:
    return (
        statetimeline.Panel()
        .merge_values(True)
        .show_value(VisibilityMode.AUTO)
        .row_height(0.8)
        .line_width(0)
        .fill_opacity(80)
        .legend(common.VizLegendOptions().show_legend(False))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
        .color_scheme(_fixed("blue"))
    )


def _heat(panel: Panel) -> statushistory.Panel:
    """A line of cells for each series, the brighter the higher the value."""
    return (
        statushistory.Panel()
        .show_value(VisibilityMode.NEVER)
        .row_height(0.95)
        .col_width(1.0)
        .line_width(0)
        .fill_opacity(100)
        .max_data_points(_MOST_CELLS)
        .legend(common.VizLegendOptions().show_legend(False))
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.SINGLE))
        .color_scheme(dashboard.FieldColor().mode(FieldColorModeId.CONTINUOUS_BL_YL_RD))
    )


DRAWERS: dict[Kind, Callable[[Panel], AnyPanel]] = {
    Kind.STAT: _stat,
    Kind.GAUGE: _gauge,
    Kind.BARS: _bars,
    Kind.GRAPH: _graph,
    Kind.STACK: _stack,
    Kind.DAYS: _days,
    Kind.PERIODS: _periods,
    Kind.STATES: _states,
    Kind.HEAT: _heat,
}
