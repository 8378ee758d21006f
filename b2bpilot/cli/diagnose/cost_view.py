"""An estimate of costs as it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from b2bpilot.cli.output import Line, Tone, pasted
from b2bpilot.cli.text.durations import relative
from b2bpilot.ops.cost.estimate import LEAST
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.cost.estimate import CostItem, Estimate
    from b2bpilot.ops.cost.loops import Loop

NAME, QUANTITY = 30, 26
CENT, SMALLEST = Decimal("0.01"), 0.001


def document(found: Estimate, loops: Sequence[Loop]) -> dict[str, object]:
    """Return both for programs; dollars are numbers, and a quantity of which CloudWatch has no data is null."""
    return {
        "since": format_time(found.since),
        "until": format_time(found.until),
        "prices": {"as_of": found.prices.as_of.isoformat(), "region": found.prices.region, "currency": "USD"},
        "since_creation": found.is_since_creation,
        "pipeline": _sums(found, found.pipeline_dollars),
        "monitoring": _sums(found, found.monitoring_dollars),
        "polling": _sums(found, found.polling_dollars),
        "items": {
            "shared": [_item(one) for one in found.shared],
            "pipeline": [_item(one) for one in found.pipeline],
            "monitoring": [_item(one) for one in found.monitoring],
            "polling": [_item(one) for one in found.polling],
        },
        "notes": list(found.notes),
        "loops": [
            {"text": one.text, "actual": one.actual, "expected": one.expected, "command": one.command}
            for one in loops
        ],
    }


def lines(found: Estimate, loops: Sequence[Loop]) -> Iterator[Line]:
    """Return both for people: loops first, then the sums, then what they are made of."""
    for loop in loops:
        yield Line(f"{loop.text[:1].upper()}{loop.text[1:]}", Tone.FAILED, indent=3)
        yield pasted(loop.command, indent=3)
    if loops:
        yield Line()
    yield Line(f"{_time(found)}, and a whole month like it", Tone.HEADING)
    yield _total("this pipeline", found, found.pipeline_dollars)
    yield _total("  of which monitoring and logs", found, found.monitoring_dollars)
    yield _total("the polled SQS queue", found, found.polling_dollars)
    if found.elapsed < LEAST:
        fixed = _dollars(found.month_of_fixed_dollars)
        yield Line(f"  Too short to tell a month of it; what is charged whatever runs is {fixed} a month.")
    for heading, items in (
        ("In both", found.shared),
        ("In this pipeline only", found.pipeline),
        ("Monitoring", found.monitoring),
        ("With the polled queue only", found.polling),
    ):
        yield Line()
        yield Line(heading, Tone.HEADING)
        yield from (_line(item) for item in items)
    yield Line()
    yield from (Line(f"{note[:1].upper()}{note[1:]}.", Tone.QUIET) for note in found.notes)


def _time(found: Estimate) -> str:
    if not found.is_since_creation:
        return f"{found.since:%B %Y} so far"
    return f"Since the stack was created, {relative(found.since, now=found.until)}"


def _total(name: str, found: Estimate, so_far: Decimal) -> Line:
    month = found.month(so_far)
    told = "not known" if month is None else _dollars(month)
    return Line(f"  {name:<{NAME}}{_dollars(so_far):>12}{told:>12}")


def _sums(found: Estimate, so_far: Decimal) -> dict[str, float | None]:
    month = found.month(so_far)
    return {"so_far": _money(so_far), "month": None if month is None else _money(month)}


def _line(item: CostItem) -> Line:
    if item.quantity is None:
        return Line(f"  {item.name:<{NAME}}{'no data':>{QUANTITY}}")
    unit = singular(item.unit) if item.quantity == 1 else item.unit
    quantity = f"{_quantity(item.quantity)} {unit}"
    return Line(f"  {item.name:<{NAME}}{quantity:>{QUANTITY}}{_dollars(item.dollars):>12}")


def singular(unit: str) -> str:
    """Return the unit of a single one; a GB-s stays what it is."""
    match unit:
        case "publishes":
            return "publish"
        case "GB" | "GB-s":
            return unit
        case _:
            return unit.removesuffix("s")


def _quantity(value: float) -> str:
    if 0 < value < SMALLEST:
        return f"under {SMALLEST}"
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:,.3g}"  # noqa: PLR2004  # three digits


def _dollars(value: Decimal) -> str:
    return f"under ${CENT}" if 0 < value < CENT else f"${value:,.2f}"


def _item(item: CostItem) -> dict[str, object]:
    return {
        "name": item.name,
        "quantity": item.quantity,
        "unit": item.unit,
        "price": _number(item.price),
        "dollars": _money(item.dollars),
        "monthly": item.is_monthly,
    }


def _number(value: Decimal) -> float:
    return float(value)


def _money(value: Decimal) -> float:
    """To a hundredth of a cent: less is nothing that anybody pays."""
    return float(round(value, 4))
