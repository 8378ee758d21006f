"""An estimate of costs as it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from b2bpilot.cli.output import Line
from b2bpilot.pipeline.message import format_time

if TYPE_CHECKING:
    from b2bpilot.ops.cost.estimate import Estimate, Item
    from b2bpilot.ops.cost.loops import Loop

HEADING, BAD, COMMAND, QUIET = "bold", "bold red", "cyan", "dim"
NAME, QUANTITY = 28, 26


def document(found: Estimate, loops: Sequence[Loop]) -> dict[str, object]:
    """Return both for programs; dollars are numbers, and a quantity of which CloudWatch has no data is null."""
    return {
        "since": format_time(found.since),
        "until": format_time(found.until),
        "prices": {"as_of": found.prices.as_of.isoformat(), "region": found.prices.region, "currency": "USD"},
        "pipeline": {
            "so_far": _number(found.pipeline_dollars),
            "month": _number(found.pipeline_month_dollars),
        },
        "polling": {"so_far": _number(found.polling_dollars), "month": _number(found.polling_month_dollars)},
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
        yield Line(f"{loop.text[:1].upper()}{loop.text[1:]}", BAD, indent=3)
        yield Line(f"   {loop.command}", COMMAND)
    if loops:
        yield Line()
    yield Line(f"{found.since:%B %Y} so far, and if the rest of the month is like it", HEADING)
    yield _total("this pipeline", found.pipeline_dollars, found.pipeline_month_dollars)
    monitoring = sum((item.dollars for item in found.monitoring), Decimal(0))
    yield _total("  of which monitoring", monitoring, monitoring)
    yield _total("the polled SQS queue", found.polling_dollars, found.polling_month_dollars)
    for heading, items in (
        ("In both", found.shared),
        ("In this pipeline only", found.pipeline),
        ("Monitoring, for the whole month", found.monitoring),
        ("With the polled queue only", found.polling),
    ):
        yield Line()
        yield Line(heading, HEADING)
        yield from (_line(item) for item in items)
    yield Line()
    yield from (Line(f"{note[:1].upper()}{note[1:]}.", QUIET) for note in found.notes)


def _total(name: str, so_far: Decimal, month: Decimal) -> Line:
    return Line(f"  {name:<{NAME}}{_dollars(so_far):>12}{_dollars(month):>12}")


def _line(item: Item) -> Line:
    if item.quantity is None:
        return Line(f"  {item.name:<{NAME}}{'no data':>{QUANTITY}}")
    unit = item.unit[:-1] if item.quantity == 1 and item.is_monthly else item.unit
    quantity = f"{_quantity(item.quantity)} {unit}"
    return Line(f"  {item.name:<{NAME}}{quantity:>{QUANTITY}}{_dollars(item.dollars):>12}")


def _quantity(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) or value >= 100 else f"{value:,.3g}"  # noqa: PLR2004  # three digits


def _dollars(value: Decimal) -> str:
    """Cents, or the first digits of what is less."""
    return f"${value:,.2f}" if value == 0 or value >= Decimal("0.01") else f"${value:.2g}"


def _item(item: Item) -> dict[str, object]:
    return {
        "name": item.name,
        "quantity": item.quantity,
        "unit": item.unit,
        "price": _number(item.price),
        "dollars": _number(item.dollars),
        "monthly": item.is_monthly,
    }


def _number(value: Decimal) -> float:
    return float(value)
