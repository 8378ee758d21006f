"""A region that is dead: its emulator is stopped and keeps what SNS took, and what ran its functions is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from b2bpilot.errors import LocalEnvironmentError, MessageUnreadable
from b2bpilot.local.control import LocalStatus
from b2bpilot.local.runtime.events import EventQueue
from b2bpilot.local.state import EVENTS, LocalSide
from b2bpilot.pipeline.delivery import deliveries

GUARD = 'read -r line; kill -CONT "$0"'


@contextmanager
def dead(side: LocalSide, status: LocalStatus) -> Iterator[None]:
    """Let a region be dead until the block ends, or this process does, in whatever way: a shell waits for the end of our end
    of its pipe. The environment starts the functions again as soon as the emulator goes on."""
    running = _functions(side, status)
    guard = subprocess.Popen(  # noqa: S603  # nosec B603  # our own command, no shell quoting: the pid is its argument
        ["/bin/sh", "-c", GUARD, str(side.emulator_pid)], stdin=subprocess.PIPE, start_new_session=True
    )
    assert guard.stdin is not None  # noqa: S101  # nosec B101  # for the type checker: it was asked for
    try:
        os.kill(side.emulator_pid, signal.SIGSTOP)
        os.kill(running, signal.SIGKILL)
        yield
    finally:
        guard.stdin.close()
        guard.wait()


def waiting_in(side: LocalSide) -> frozenset[str]:
    """Return the messages that the region's Lambda has accepted and not finished. What SNS has not handed over yet is in the
    emulator, and nobody can see it while that is stopped."""
    queue = EventQueue(Path(side.folder) / EVENTS)
    try:
        payloads = [event.payload for event in queue.unfinished()]
    finally:
        queue.close()
    found = set()
    for payload in payloads:
        with suppress(MessageUnreadable):
            found |= {each.message.message_id for each in deliveries(json.loads(payload))}
    return frozenset(found)


def _functions(side: LocalSide, status: LocalStatus) -> int:
    for part in status.components:
        if part.name == f"functions {side.region}":
            return part.pid
    raise LocalEnvironmentError(
        f"nothing runs the functions of {side.region}", hint="wait a moment: they are being started again"
    )
