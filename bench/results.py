"""What rows said, kept in results.json, and shown: on a terminal, and in results.md."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.machine import Machine
from bench.row import Bench, BenchRow, Spread

FOLDER = Path(__file__).parent
JSON, MARKDOWN = FOLDER / "results.json", FOLDER / "results.md"
DOCUMENTS = (FOLDER.parent / "README.md", *sorted((FOLDER.parent / "docs").rglob("*.md")))
CITED = re.compile(r"(<!-- bench (\S+) (way|baseline|ratio) -->).*?(<!-- -->)", re.DOTALL)
"""A figure in a document: `<!-- bench help ratio -->0.78 x<!-- -->`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What a row said in one run. `load` is the machine's load average before and after."""

    way: Spread
    baseline: Spread | None
    ratio: Spread | None
    turns: int
    date: str
    revision: str
    load: tuple[float, float]
    machine: Machine

    @property
    def judged(self) -> float:
        """What the goal is about."""
        return (self.ratio or self.way).median


Results = Mapping[str, RowResult]
"""By the row's name."""


def read() -> dict[str, RowResult]:
    if not JSON.exists():
        return {}
    return {name: _result(document) for name, document in json.loads(JSON.read_text()).items()}


def write(benches: Sequence[Bench], results: Results) -> None:
    """Only rows that there are: what a row said that was removed goes with it."""
    named = {row.name: results[row.name] for row in _rows(benches) if row.name in results}
    text = json.dumps({name: asdict(result) for name, result in named.items()}, indent=1)
    JSON.write_text(text + "\n")
    MARKDOWN.write_text(markdown(benches, named))
    for document in DOCUMENTS:
        text = document.read_text()
        if (cited := with_figures(text, benches, named)) != text:
            document.write_text(cited)


def with_figures(text: str, benches: Sequence[Bench], results: Results) -> str:
    """Return a document that says of each row what it said last."""
    units = {row.name: row.unit for row in _rows(benches)}

    def figure(found: re.Match[str]) -> str:
        begin, name, part, end = found.groups()
        if name not in results:
            return found.group()
        median = getattr(results[name], part).median
        return f"{begin}{_number(median)} {'x' if part == 'ratio' else units[name]}{end}"

    return CITED.sub(figure, text)


def verdict(row: BenchRow, result: RowResult) -> str:
    if row.goal is None:
        return ""
    return "met" if row.goal.is_met_by(result.judged) else "missed"


HEADS = ("row", "measured", "against", "ratio", "goal", "", "recorded")
WIDTHS = (26, 28, 28, 22, 18, 6, 8)


def cells(row: BenchRow, result: RowResult, recorded: RowResult | None = None) -> list[str]:
    return [
        row.name,
        _shown(result.way, row.unit),
        "" if result.baseline is None else _shown(result.baseline, row.unit),
        "" if result.ratio is None else _shown(result.ratio, "x"),
        _goal(row),
        verdict(row, result),
        "" if recorded is None else _number(recorded.judged),
    ]


def terminal_line(found: Sequence[str]) -> str:
    return " ".join(cell.ljust(width) for cell, width in zip(found, WIDTHS, strict=True)).rstrip()


def markdown(benches: Sequence[Bench], results: Results) -> str:
    parts = ["# Measured\n", _preface(results)]
    for bench in benches:
        found = [(row, results[row.name]) for row in bench.rows if row.name in results]
        if found:
            parts.append(_section(bench, found))
    return "\n".join(parts)


def _preface(results: Results) -> str:
    machines = sorted({str(result.machine) for result in results.values()})
    return (
        "Written by `make bench`. A row and its baseline are measured in one run, in turns; the ratio is the median of the\n"
        "turns' own ratios, with the least and the most of them. The load is the machine's load average over a minute,\n"
        "before and after: above the number of cores, others were at work, and times are longer than the machine's own.\n\n"
        + "".join(f"- {machine}\n" for machine in machines)
    )


def _section(bench: Bench, found: Sequence[tuple[BenchRow, RowResult]]) -> str:
    _, first = found[0]
    heads = [
        "row",
        "what",
        "median (least to most)",
        "against",
        "median (least to most)",
        "ratio",
        "goal",
        "",
    ]
    table = _table([heads, ["---"] * len(heads), *(_line(row, result) for row, result in found)])
    return (
        f"## {bench.name}\n\n{bench.measures}.\n\n{table}\n"
        f'`make bench ARGS="--only {bench.name}"`, {first.date}, at {first.revision}, {first.turns} turns, '
        f"load {first.load[0]:.1f} to {first.load[1]:.1f}.\n"
    )


def _line(row: BenchRow, result: RowResult) -> list[str]:
    name, way, *baseline, ratio, goal, met, _ = cells(row, result)
    return [name, row.way, way, row.baseline or "", *baseline, ratio, goal, met]


def _table(lines: Iterable[Sequence[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _rows(benches: Sequence[Bench]) -> Iterable[BenchRow]:
    return (row for bench in benches for row in bench.rows)


def _goal(row: BenchRow) -> str:
    if row.goal is None:
        return ""
    unit = "x" if row.baseline else row.unit
    return f"at {'most' if row.goal.is_most else 'least'} {_number(row.goal.value)} {unit}"


def _shown(found: Spread, unit: str) -> str:
    if found.least == found.most:
        return f"{_number(found.median)} {unit}"
    return f"{_number(found.median)} {unit} ({_number(found.least)} to {_number(found.most)})"


def _number(value: float) -> str:
    digits = (
        0 if value == 0 or abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 else 3
    )
    return f"{value:,.{digits}f}"


def _result(document: Mapping[str, object]) -> RowResult:
    spreads = {
        name: None if document[name] is None else Spread(**document[name])  # type: ignore[arg-type]  # as it was written
        for name in ("way", "baseline", "ratio")
    }
    rest = {name: value for name, value in document.items() if name not in {*spreads, "machine", "load"}}
    return RowResult(
        **spreads,  # type: ignore[arg-type]  # as it was written
        **rest,  # type: ignore[arg-type]  # as it was written
        load=tuple(document["load"]),  # type: ignore[arg-type]  # as it was written
        machine=Machine(**document["machine"]),  # type: ignore[arg-type]  # as it was written
    )
