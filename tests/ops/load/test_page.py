"""The page of a load: its plots can be read, its words are right for one, too, and 0 ms is explained where it stands."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime
from xml.etree import ElementTree

import pytest

from b2bpilot.cli.load.display import told
from b2bpilot.ops.load.page import page
from b2bpilot.ops.load.plan import LoadPlan
from b2bpilot.ops.load.plots import LABEL_WIDTH, histogram_plot, timeline_plot
from b2bpilot.ops.load.report import BOUNDS, Cleaning, LoadLatency, Report, Second

EARLY = "0 ms from accept to stored: 1 row that was completed before its answer had arrived"


def report(*, messages: int = 1, clients: int = 1, store: tuple[float, ...] = (0.0,)) -> Report:
    return Report(
        run_id="run",
        environment="staging",
        account_id="123456789012",
        region="eu-west-1",
        plan=LoadPlan(clients=clients, requests=1),
        started_at=datetime(2026, 10, 1, tzinfo=UTC),
        seconds=1.0,
        messages=messages,
        requests=messages,
        accepted=messages,
        stored=messages,
        accept=LoadLatency(values=[12.0] * messages),
        store=LoadLatency(values=store),
        clock_error_ms=0.1,
        troubles=(),
        timeline=[Second(at=0, accepted=messages, stored=messages, errors=0)],
        checks=(),
        story=(),
        cleaning=Cleaning(rows=messages),
    )


def texts(plot: str, kind: str) -> list[tuple[float, float, str]]:
    return [
        (float(text.attrib["x"]), float(text.attrib["y"]), text.text or "")
        for text in ElementTree.fromstring(plot).iter("text")
        if text.attrib["class"] == kind
    ]


def test_one_of_everything_is_told_in_the_singular() -> None:
    plural = re.compile(r"\b1 (?:test )?(?:messages|requests|clients|rows|dead letters)\b")
    drawn = page(report())
    assert not plural.search(drawn)
    assert "1 test message from 1 client through" in drawn
    assert "10 ms to 20 ms: 1 request<" in drawn
    assert "second 0: 1 message stored<" in drawn
    assert plural.search("1 test messages")


def test_no_time_at_all_is_explained_beside_the_table_the_plot_and_the_figure() -> None:
    drawn = page(report())
    assert drawn.count(EARLY) == 2
    assert "accept to stored, 95 % within: stored before the answer had arrived" in drawn
    shown = [str(line).strip() for line in told(report(), ascii_only=False)]
    assert shown[shown.index(EARLY) - 1].startswith("accept to stored")


def test_what_took_time_is_explained_by_nothing() -> None:
    measured = report(store=(7.0,))
    assert "before" not in page(measured)
    assert measured.early is None


@pytest.mark.parametrize("filled", [1, 2, 5, len(BOUNDS)])
def test_labels_below_an_axis_leave_each_other_room(filled: int) -> None:
    """Also with every step of the histogram filled, and an hour of seconds."""
    values = sorted(bound + 0.5 for bound in BOUNDS[:filled])
    hour = [Second(at=at, accepted=1, stored=1, errors=0) for at in range(720 * filled)]
    for plot in (histogram_plot(LoadLatency(values=values), what="message"), timeline_plot(hour)):
        labels = texts(plot, "label")
        below = max(y for _, y, _ in labels)
        places = sorted(x for x, y, _ in labels if y == below)
        assert all(after - before >= LABEL_WIDTH - 0.1 for before, after in itertools.pairwise(places))
        assert len(texts(plot, "title")) == 2


def test_each_bar_stands_between_its_bounds_with_its_count_above() -> None:
    labels = texts(histogram_plot(LoadLatency(values=[12.0, 12.0, 12.0, 25.0]), what="message"), "label")
    below = max(y for _, y, _ in labels)
    bounds = {text: x for x, y, text in labels if y == below}
    counts = {text: x for x, y, text in labels if y < below and text in "31" and x > bounds["10 ms"]}
    assert list(bounds) == ["10 ms", "20 ms", "50 ms"]
    assert bounds["10 ms"] < counts["3"] < bounds["20 ms"] < counts["1"] < bounds["50 ms"]
