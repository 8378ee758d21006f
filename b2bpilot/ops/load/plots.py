"""Plots as inline SVG: bars whose colours are the page's, readable without a script."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from html import escape

from b2bpilot.ops.load.report import LoadLatency, Second, histogram

WIDTH, HEIGHT = 720, 210
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 14, 34
TICKS = 4


def histogram_plot(latency: LoadLatency, *, what: str) -> str:
    """Return the counts by latency, or a sentence when there are none."""
    buckets = histogram(latency.values)
    if not buckets:
        return '<p class="muted">No values.</p>'
    most = max(bucket.count for bucket in buckets)
    scale = _Scale(most)
    step = (WIDTH - LEFT - RIGHT) / len(buckets)
    parts = [*scale.grid()]
    for place, bucket in enumerate(buckets):
        x, height = LEFT + place * step, scale.height(bucket.count)
        label = f"{duration(bucket.low)} to {duration(bucket.high)}: {bucket.count:,} {what}"
        parts.append(_bar("accepted", x + step * 0.08, height, step * 0.84, label))
        parts.append(_text(x + step / 2, HEIGHT - BOTTOM + 16, duration(bucket.low), "middle"))
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 2, f"{what} by latency, each bar from its label on", "end"))
    return _svg(parts, f"Histogram of {what} by latency")


def timeline_plot(seconds: Sequence[Second]) -> str:
    """Return what was accepted, stored and refused in each second, in at most 120 steps."""
    if not seconds:
        return '<p class="muted">Nothing happened.</p>'
    size = math.ceil(len(seconds) / 120)
    steps = [_sum(seconds[start : start + size]) for start in range(0, len(seconds), size)]
    scale = _Scale(max(max(step.accepted, step.stored, step.errors) for step in steps))
    width = (WIDTH - LEFT - RIGHT) / len(steps)
    parts = [*scale.grid()]
    for place, step in enumerate(steps):
        x = LEFT + place * width
        for series, (name, value) in enumerate(
            (("accepted", step.accepted), ("stored", step.stored), ("errors", step.errors))
        ):
            label = f"second {step.at}: {value:,} {name.replace('errors', 'not accepted')}"
            parts.append(
                _bar(name, x + width * (0.06 + 0.3 * series), scale.height(value), width * 0.28, label)
            )
    every = max(1, math.ceil(len(steps) / 12))
    parts += [
        _text(LEFT + (place + 0.5) * width, HEIGHT - BOTTOM + 16, f"{step.at}", "middle")
        for place, step in enumerate(steps)
        if place % every == 0
    ]
    per = "a second" if size == 1 else f"in {size} s"
    parts.append(_text(WIDTH - RIGHT, HEIGHT - 2, f"{per}, by seconds since the start", "end"))
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


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
    )
