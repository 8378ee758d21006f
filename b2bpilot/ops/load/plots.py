"""Plots as inline SVG: bars whose colours are the page's, readable without a script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from b2bpilot.ops.load.report import LoadLatency, Second, histogram
from b2bpilot.plural import many

WIDTH, HEIGHT = 720, 250
LEFT, RIGHT, TOP, BOTTOM = 64, 28, 34, 52
TICKS = 4
LABEL_WIDTH = 52
"""So much room a label below the axis takes: where there is less, some are left out."""

NAMES = {
    "accepted": ("request accepted", "requests accepted"),
    "stored": ("message stored", "messages stored"),
    "errors": ("request not accepted", "requests not accepted"),
}


def histogram_plot(latency: LoadLatency, *, what: str) -> str:
    """Return the counts by latency, or a sentence when there are none. `what` is one of those that are counted."""
    buckets = histogram(latency.values)
    if not buckets:
        return '<p class="muted">No values.</p>'
    most = max(bucket.count for bucket in buckets)
    scale = _Scale(most)
    step = (WIDTH - LEFT - RIGHT) / len(buckets)
    parts = [*scale.grid(), *_titles(f"{what}s", "latency")]
    for place, bucket in enumerate(buckets):
        x, height = LEFT + place * step, scale.height(bucket.count)
        label = f"{duration(bucket.low)} to {duration(bucket.high)}: {many(bucket.count, what)}"
        parts.append(_bar("accepted", x + step * 0.04, height, step * 0.92, label))
        if bucket.count:
            parts.append(_text(x + step / 2, HEIGHT - BOTTOM - height - 6, f"{bucket.count:,}", "middle"))
    edges = [duration(bucket.low) for bucket in buckets] + [duration(buckets[-1].high)]
    parts += _labels((LEFT + place * step, edge) for place, edge in enumerate(edges))
    return _svg(parts, f"Histogram of {what}s by latency")


def timeline_plot(seconds: Sequence[Second]) -> str:
    """Return what was accepted, stored and refused in each second, in at most 120 steps."""
    if not seconds:
        return '<p class="muted">Nothing happened.</p>'
    size = math.ceil(len(seconds) / 120)
    steps = [_sum(seconds[start : start + size]) for start in range(0, len(seconds), size)]
    scale = _Scale(max(max(step.accepted, step.stored, step.errors) for step in steps))
    width = (WIDTH - LEFT - RIGHT) / len(steps)
    per = "in each second" if size == 1 else f"in each {size} s"
    parts = [*scale.grid(), *_titles(per, "seconds since the start")]
    for place, step in enumerate(steps):
        x = LEFT + place * width
        for series, (name, value) in enumerate(
            (("accepted", step.accepted), ("stored", step.stored), ("errors", step.errors))
        ):
            label = f"second {step.at}: {many(value, *NAMES[name])}"
            parts.append(
                _bar(name, x + width * (0.06 + 0.3 * series), scale.height(value), width * 0.28, label)
            )
    parts += _labels((LEFT + (place + 0.5) * width, f"{step.at:,}") for place, step in enumerate(steps))
    return _svg(parts, "Requests accepted, messages stored and requests not accepted over time")


def duration(milliseconds: float) -> str:
    if math.isinf(milliseconds):
        return "more"
    if milliseconds >= 1_000:  # noqa: PLR2004
        return f"{milliseconds / 1_000:.3g} s"
    return f"{milliseconds:.0f} ms" if milliseconds >= 10 else f"{milliseconds:.2g} ms"  # noqa: PLR2004


class _Scale:
    """From a count to a height, up to a round number above the highest."""

    def __init__(self, most: int) -> None:
        step = 10 ** math.floor(math.log10(max(most, 1) / TICKS)) if most > TICKS else 1
        self._step = next(step * n for n in (1, 2, 5, 10, 20) if step * n * TICKS >= most)

    def height(self, count: int) -> float:
        return (HEIGHT - TOP - BOTTOM) * count / (self._step * TICKS)

    def grid(self) -> Iterator[str]:
        for tick in range(TICKS + 1):
            value = int(tick * self._step)
            y = HEIGHT - BOTTOM - self.height(value)
            yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield _text(LEFT - 8, y + 4, f"{value:,}", "end")


def _titles(upright: str, level: str) -> Iterator[str]:
    """Say what is counted, above the counts, and what it is counted by, below the middle of the axis."""
    yield _text(LEFT, TOP - 18, upright, "start", "title")
    yield _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, level, "middle", "title")


def _labels(named: Iterable[tuple[float, str]]) -> Iterator[str]:
    """Return the labels below the axis, as many as have room."""
    found = list(named)
    step = (found[-1][0] - found[0][0]) / max(1, len(found) - 1)
    every = max(1, math.ceil(LABEL_WIDTH / step)) if step else 1
    for x, text in found[::every]:
        yield _text(x, HEIGHT - BOTTOM + 18, text, "middle")


def _sum(seconds: Sequence[Second]) -> Second:
    return Second(
        at=seconds[0].at,
        accepted=sum(second.accepted for second in seconds),
        stored=sum(second.stored for second in seconds),
        errors=sum(second.errors for second in seconds),
    )


def _bar(name: str, x: float, height: float, width: float, label: str) -> str:
    if not height:
        return ""
    shown = max(height, 1.5)
    y = HEIGHT - BOTTOM - shown
    return (
        f'<rect class="{name}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{shown:.1f}" rx="1.5">'
        f"<title>{escape(label)}</title></rect>"
    )


def _text(x: float, y: float, text: str, anchor: str, kind: str = "label") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<div class="plot"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg></div>"
    )
