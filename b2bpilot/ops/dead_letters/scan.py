"""Going through dead letters once: which match, and how the groups of all of them are numbered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from b2bpilot.advice import Words, our_command
from b2bpilot.errors import UsageError
from b2bpilot.ops.dead_letters.causes import Cause, Found, cause_of, cause_of_group, in_order, numbered
from b2bpilot.ops.dead_letters.selection import Selection
from b2bpilot.pipeline.dead_letter import DeadLetter

LIST_HINT = "see " + our_command("dlq", "list") + " without --group"


Counts = Callable[[Found], bool]
"""Whether a limit counts it: only what the command can act on."""


def every(_: Found) -> bool:
    return True


def ours(found: Found) -> bool:
    return found.owner.is_ours


def ours_to_process(found: Found) -> bool:
    return found.owner.is_ours and found.message_id is not None


def within(found: Sequence[Found], limit: int | None, counts: Counts) -> list[Found]:
    """Return the first that count, as many as the limit says, and beside them all that do not."""
    counted = {id(one) for one in [one for one in found if counts(one)][:limit]}
    return [one for one in found if id(one) in counted or not counts(one)]


class Scan:
    """What has been seen so far of the queue, or of another `place` that holds dead letters; no bodies are kept."""

    def __init__(
        self,
        selection: Selection,
        *,
        now: datetime,
        place: str = "the queue",
        hint: Words = LIST_HINT,
        counts: Counts = every,
    ) -> None:
        self._selection = selection
        self._counts_for_limit = counts
        self.counted = 0
        """How many match every filter but the group, which is known at the end, and count for a limit."""
        self._now = now
        self._place = place
        self._hint = hint
        self.saw = 0
        self._counts: Counter[Cause] = Counter()
        self._causes: dict[Cause, Cause] = {}
        self._found: list[Found] = []
        self._by_message: Counter[str] = Counter()

    def see(self, dead_letter: DeadLetter) -> bool:
        """Remember a dead letter, and tell whether it matches every filter but the group."""
        self.saw += 1
        cause = cause_of(dead_letter)
        cause = self._causes.setdefault(cause, cause)
        self._counts[cause] += 1
        if dead_letter.message:
            self._by_message[dead_letter.message.message_id] += 1
        if not self._selection.matches(dead_letter, now=self._now):
            return False
        found = _found(dead_letter, cause)
        self._found.append(found)
        self.counted += self._counts_for_limit(found)
        return True

    def copies(self) -> dict[str, int]:
        """Return how many dead letters each message has that has several."""
        return {message_id: count for message_id, count in self._by_message.items() if count > 1}

    def names(self) -> dict[Cause, str]:
        """Return `G1` ... of everything that was seen, whatever the selection."""
        return numbered(self._counts)

    def found(self, names: Mapping[Cause, str]) -> list[Found]:
        """Return all that match, oldest first; the limit is left to the caller. Raises UsageError for a group or a field
        that is not there."""
        if self._selection.where is not None:
            self._selection.where.require_fields()
        return sorted(self._of_group(names), key=in_order)

    def _of_group(self, names: Mapping[Cause, str]) -> list[Found]:
        group = self._selection.group
        if group is None:
            return self._found
        cause = cause_of_group(names, group)
        if cause is None:
            raise UsageError(f"there is no group {group}; {self._known(names)}", hint=self._hint)
        return [dead_letter for dead_letter in self._found if dead_letter.cause == cause]

    def _known(self, names: Mapping[Cause, str]) -> str:
        match len(names):
            case 0:
                return "no dead letter was seen"
            case 1:
                return f"{self._place} has only G1"
            case count:
                return f"{self._place} has G1 to G{count}"


def _found(dead_letter: DeadLetter, cause: Cause) -> Found:
    return Found(
        test=dead_letter.message is not None and dead_letter.message.test,
        queue_message_id=dead_letter.queue_message_id,
        message_id=dead_letter.message_id,
        cause=cause,
        sent_at=dead_letter.sent_at,
        redrives=dead_letter.redrives,
        receive_count=dead_letter.receive_count,
        owner=dead_letter.owner,
    )
