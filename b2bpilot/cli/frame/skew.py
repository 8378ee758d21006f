"""Clocks that differ, as a command says it: once, on stderr and in the JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Output
from b2bpilot.cli.text.durations import ahead_in_words
from b2bpilot.pipeline.clock import WORTH_SAYING, HostClock

THIS_MACHINE = "this machine"


@dataclass(slots=True)
class Skews:
    """What was said of clocks in this run. Less than a minute is not worth it."""

    output: Output
    said: dict[str, dict[str, object]] = field(default_factory=dict)

    def tell_machine(self, clock: HostClock) -> None:
        """Say how far this machine's clock is from a host's that ages and times are counted by instead."""
        self._tell(
            THIS_MACHINE,
            clock.machine_ahead(),
            of=clock.host,
            then=f"times and ages in this output are counted by {clock.host}'s clock",
        )

    def tell_host(self, clock: HostClock, *, of: HostClock) -> None:
        """Say how far a host's clock is from another host's; where that one is not known, from this machine's."""
        if not of.is_known:
            self.tell_machine(clock)
            return
        then = f"times from {clock.host} are counted by its own clock, and durations between both are off by that much"
        self._tell(clock.host, clock.ahead_of(of), of=of.host, then=then)

    def _tell(self, whose: str, ahead: timedelta, *, of: str, then: str) -> None:
        if abs(ahead) < WORTH_SAYING or whose in self.said:
            return
        self.output.notice(
            f"{whose[:1].upper()}{whose[1:]}'s clock is {ahead_in_words(ahead)} {of}'s: {then}."
        )
        self.said[whose] = {
            "clock": whose,
            "compared_with": of,
            "ahead_seconds": round(ahead.total_seconds(), 1),
        }
        if self.output.format is Format.JSON:
            self.output.record({"clocks": list(self.said.values())}, text=())
