"""The time around a message that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from b2bpilot.pipeline.dead_letter import DeadLetter
from b2bpilot.pipeline.models import UserSubmission

LOOK_BACK = timedelta(hours=6)
"""Where nothing says when the message came: as long as Lambda may hold it (docs/aws-facts.md#event-age)."""
BEFORE, AFTER = timedelta(minutes=1), timedelta(hours=1)
"""Around what is known; later deliveries of the same message come within it, as a rule."""


def window(
    row: UserSubmission | None, dead_letters: Sequence[DeadLetter], *, since: datetime | None, now: datetime
) -> tuple[datetime, datetime]:
    """Return from when to when: from just before the first thing known to a while after the last."""
    known = [dead_letter.message.received_at for dead_letter in dead_letters if dead_letter.message]
    known += [dead_letter.sent_at for dead_letter in dead_letters if dead_letter.sent_at]
    if row is not None:
        times = (row.received_at, row.created_at, row.updated_at, row.completed_at, row.lease_expires_at)
        known += [moment for moment in times if moment is not None]
    if not known:
        return since or now - LOOK_BACK, now
    return since or min(known) - BEFORE, min(now, max(known) + AFTER)
