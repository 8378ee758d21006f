"""Dead letters that SQS counts and no receive brought: whoever holds them, SQS does not say."""

from __future__ import annotations

from b2bpilot.aws.queue_attributes import Counters
from b2bpilot.errors import PartlyFailed
from b2bpilot.plural import many

APPROXIMATE = "SQS's counters are approximate and may lag by a minute"
HELD = "in flight, delayed, or SQS's approximate counters lag by a minute"
THE_OTHERS = f"the others are {HELD}"
HINT = "try again in a minute; dead letters in flight are visible again when their receiver returns them, after 12 hours at the latest"


def fields(found: Counters) -> dict[str, int]:
    return {"unseen": found.total, "unseen_in_flight": found.hidden, "unseen_delayed": found.delayed}


def in_words(found: Counters) -> str:
    """Return where they are, as far as SQS says."""
    parts = [f"{found.hidden:,} in flight: another process has received them, SQS does not say which"] * bool(
        found.hidden
    )
    parts += [f"{found.delayed:,} delayed"] * bool(found.delayed)
    parts += [f"{found.visible:,} visible, and no receive brought them"] * bool(found.visible)
    return "; ".join(parts)


def told(found: Counters) -> str:
    """Return the sentence of a plan."""
    about = many(found.total, "more dead letter was", "more dead letters were")
    return f"About {about} not looked at ({in_words(found)}). {APPROXIMATE}."


def counted(count: int) -> str:
    """Return the same of what is left at the end, in short."""
    return f"about {many(count, 'more dead letter was', 'more dead letters were')} not looked at: {HELD}"


def require_none(count: int, *, what: str) -> None:
    """Raises PartlyFailed, which says `what` was done, unless all that SQS counts was seen."""
    if count:
        raise PartlyFailed(f"{what}; {counted(count)}", hint=HINT)
