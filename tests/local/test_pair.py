"""Two regions on this machine: one database, one Twilio, and a process for the functions of each, which can be killed."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil

from b2bpilot.local import control
from b2bpilot.local.state import LocalSide
from b2bpilot.ops.environment import discover
from b2bpilot.ops.pair import other_side
from tests.local.conftest import Machine, Run, machine
from tests.local.polling import eventually


def functions_of(pair: Machine, side: LocalSide) -> int | None:
    """The process that runs a region's functions."""
    named = {part.name: part.pid for part in control.status(pair.home).components}
    return named.get(f"functions {side.region}")


def test_what_either_side_takes_is_one_row_in_the_database_of_both(pair: Machine, run_pair: Run) -> None:
    for side in pair.state.sides:
        published = run_pair("publish", "--region", side.region, "--wait", "-o", "json")
        assert published.exit_code == 0, published.stderr
    listed = run_pair("submissions", "list", "--region", pair.state.sides[1].region)
    assert listed.stdout.count("completed") >= len(pair.state.sides)


def test_each_side_names_the_other(pair: Machine) -> None:
    primary = discover("local", pair.access)
    asked = other_side(primary)
    assert asked is not None
    second = asked.value
    assert second is not None
    assert [primary.stack.region, second.stack.region] == [side.region for side in pair.state.sides]
    back = other_side(second)
    assert back is not None
    assert back.value is not None
    assert back.value.stack == primary.stack


def test_a_region_that_the_pair_is_not_in_is_refused(pair: Machine, run_pair: Run) -> None:
    result = run_pair("publish", "--region", "eu-west-1")
    assert result.exit_code == 2
    assert "the local environment is not in eu-west-1" in result.stderr


def test_a_number_falls_back_to_the_second_side(pair: Machine, run_pair: Run) -> None:
    shown = run_pair("twilio", "route", "-o", "json")
    assert pair.state.sides[1].webhook_url in shown.stdout


def test_killed_functions_come_back_but_not_while_their_region_is_down(pair: Machine) -> None:
    side = pair.state.sides[0]
    first = functions_of(pair, side)
    assert first is not None
    os.kill(side.emulator_pid, signal.SIGSTOP)
    try:
        os.kill(first, signal.SIGKILL)
        eventually(lambda: not psutil.pid_exists(first), "its end")
        assert functions_of(pair, side) is None
    finally:
        os.kill(side.emulator_pid, signal.SIGCONT)
    second = eventually(lambda: functions_of(pair, side), "its return")
    assert second != first


def test_down_ends_what_a_killed_environment_left_stopped(tmp_path: Path) -> None:
    with machine(tmp_path / "home") as left:
        emulator = left.state.emulator_pid
        os.kill(emulator, signal.SIGSTOP)
        left.process.kill()
        left.process.wait()
        assert control.down(left.home)
        eventually(lambda: not psutil.pid_exists(emulator), "its end")
        assert not control.down(left.home)
