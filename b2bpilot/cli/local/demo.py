"""`b2bpilot demo`."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Line, Row, Tone
from b2bpilot.cli.submissions import submission
from b2bpilot.local import packages

if TYPE_CHECKING:
    from b2bpilot.local.demo import Scene
    from b2bpilot.pipeline.dead_letter import DeadLetter
    from b2bpilot.pipeline.models import UserSubmission


def demo(ctx: typer.Context) -> None:
    """Run the whole pipeline on this machine and watch messages go through it. Leaves nothing behind.

    Starts PostgreSQL, an AWS emulator with the real template, and the real functions. Needs no AWS account.

    Example: b2bpilot demo
    """
    packages.require()
    from b2bpilot.local.demo import demonstrate

    pilot = pilot_of(ctx)
    with (
        tempfile.TemporaryDirectory(prefix="b2bpilot-demo-") as home,
        pilot.output.progress("starting") as progress,
    ):
        for number, scene in enumerate(demonstrate(Path(home), progress=progress), start=1):
            _show(pilot, number, scene, now=pilot.machine())
        progress("stopping")
    pilot.output.record(
        {"held": True}, text=["", Line("Everything held. The environment is gone again.", Tone.OK)]
    )
    pilot.output.notice("Start one that stays: " + our_command("local", "up", "-d"))


def _show(pilot: Pilot, number: int, scene: Scene, *, now: datetime) -> None:
    fields = {f"scene_{number}": {"title": scene.title, "seen": list(scene.seen), **scene.facts}}
    title = Line(f"{number}. {scene.title}", Tone.HEADING, indent=len("1. "))
    pilot.output.record(fields, text=["", title, *(f"   {line}" for line in scene.seen)])
    if pilot.output.format is not Format.TABLE:
        return
    if scene.dead_letters:
        pilot.output.lines([""])
        pilot.output.rows("dead_letters", [_dead_letter(dead_letter) for dead_letter in scene.dead_letters])
    elif scene.submissions:
        pilot.output.lines([""])
        pilot.output.rows("submissions", [_submission(row, now=now) for row in scene.submissions])


def _submission(row: UserSubmission, *, now: datetime) -> Row:
    columns = submission.columns(row, reveal=False, now=now)
    kind = {"kind": row.message_type or "-", "stored in": _latency(row)}
    shown = {name: columns[name] for name in ("message id", "status", "from", "text or error")}
    return Row(fields={}, columns={**kind, **shown})


def _latency(row: UserSubmission) -> str:
    if row.completed_at is None or row.received_at is None:
        return "-"
    return f"{(row.completed_at - row.received_at).total_seconds() * 1000:.0f} ms"


def _dead_letter(dead_letter: DeadLetter) -> Row:
    columns = {
        "failure": dead_letter.failure.kind.value,
        "message id": dead_letter.message_id or "-",
        "what Lambda wrote": dead_letter.failure.text or "-",
    }
    return Row(fields={}, columns=columns)
