"""Groups of dead letters as they are shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.advice import Words, joined, our_command
from b2bpilot.cli.dlq import owner_view
from b2bpilot.cli.dlq.discarded_view import discarded_lines
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.output import Line, Tone, Toned, of_state
from b2bpilot.cli.text.durations import relative
from b2bpilot.cli.text.plain import one_line
from b2bpilot.pipeline.message import format_time
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.cli.frame.context import Pilot
    from b2bpilot.ops.dead_letters.causes import Cause, Group
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.dead_letters.listing import DeadLetterListing

INDENT = "    "
SOON = timedelta(days=2)


def fields(group: Group) -> dict[str, object]:
    """Return a group for programs."""
    expiry = group.expiry
    return {
        "group": group.id,
        "kind": group.cause.kind.value,
        "error": group.cause.text,
        "count": group.count,
        "messages": group.count - group.repeated,
        "oldest": _time(group.oldest),
        "newest": _time(group.newest),
        "expires_at": _time(expiry.at) if expiry else None,
        "expiring": expiry.count if expiry else 0,
        "sample": group.sample,
        "owners": owner_view.fields(group.owners),
        "of_express": group.of_express,
        "rows": None if group.states is None else {str(state): n for state, n in group.states.items()},
        "row_errors": dict(group.row_errors),
    }


def lines(group: Group, *, now: datetime) -> Iterator[Words | Line]:
    """Return a group for people: what it is, its times and rows, and a dead letter to look at."""
    kind = Toned(group.cause.kind.value, Tone.FAILED)
    cause = f"{group.id:<{len(INDENT)}}{group.count:,} " + kind + f": {group.cause.text}"
    yield Line(cause, indent=len(INDENT) + 2)
    facts: list[Words] = [_repeated(group), _ages(group, now=now), _expiry(group, now=now), _rows(group)]
    yield INDENT + joined("; ", [fact for fact in facts if fact])
    for text, count in group.row_errors.items():
        yield f"{INDENT}last error of {many(count, 'row')}: {one_line(text)}"
    if group.of_express:
        yield f"{INDENT}{group.of_express:,} of the express lane"
    for line in owner_view.lines(group.owners):
        yield INDENT + line
    yield f"{INDENT}for example {group.sample}"


def next_steps(found: DeadLetterListing, selection: Selection) -> Iterator[Words]:
    """Return what to do with the biggest group that holds any of one's own, else with the biggest. A filter may leave some of it
    out, which a redrive of the group would take."""
    if not found.groups:
        return
    own = next(filter(_holds_own, found.groups), None)
    group = own or found.groups[0]
    yield "Next: " + our_command("dlq", "show", group.sample)
    if selection.is_everything and own:
        yield "When the cause is fixed: " + our_command("dlq", "redrive", "--group", group.id)


def _holds_own(group: Group) -> bool:
    return sum(count for owner, count in group.owners.items() if not owner.is_ours) < group.count


def of_group(names: Mapping[Cause, str], selection: Selection) -> str:
    """Return ` of group G1 (exception: no customer)` where a group was asked for: its number may be another one's by now,
    its cause is what is agreed to."""
    cause = _cause(names, selection)
    return f" of group {names[cause]} ({one_line(str(cause))})" if cause else ""


def cause_fields(names: Mapping[Cause, str], selection: Selection) -> dict[str, object] | None:
    """Return for programs what `of_group` says."""
    cause = _cause(names, selection)
    return {"group": names[cause], "kind": cause.kind.value, "error": cause.text} if cause else None


def _cause(names: Mapping[Cause, str], selection: Selection) -> Cause | None:
    from b2bpilot.ops.dead_letters.filters import cause_named

    return cause_named(names, selection.group) if selection.group else None


def remember(pilot: Pilot, queue_url: str, found: DeadLetterListing) -> None:
    """Let a command that acts on a group know what it was when it was shown."""
    pilot.remember_causes(queue_url, {name: str(cause) for cause, name in found.look.names.items()})


def nothing(found: DeadLetterListing) -> str:
    """Return in place of groups that there are none, and how sure that is."""
    if found.look.about == 0:
        return "no dead letters"
    return "no dead letters match" if found.look.saw else "no dead letters were seen"


def summary(
    found: DeadLetterListing, selection: Selection, *, is_emptiness_told: bool = False
) -> Iterator[Words]:
    """Return what is to be said about the look itself."""
    from b2bpilot.ops.dead_letters.sweep import THE_OTHERS

    look, groups = found.look, len(found.groups)
    seen = f"saw {look.saw:,} of about {dead_letters(look.about)}"
    if look.about == 0:
        yield from () if is_emptiness_told else ("The dead-letter queue is empty.",)
    elif not look.found:
        yield f"No dead letters match ({seen})." if look.saw else f"No dead letters were seen ({seen})."
    elif look.counted == selection.limit:
        yield f"{look.counted:,}, the --limit; there may be more ({seen})."
    else:
        yield f"{_matching(found, selection)} in {many(groups, 'group')}."
    if not look.is_complete and selection.limit is None:
        yield f"{THE_OTHERS[:1].upper()}{THE_OTHERS[1:]}. List again to see all of them."
    if look.not_released:
        yield (
            f"{many(look.not_released, 'dead letter')} could not be returned, visible again within a minute: "
            f"{look.release_error}"
        )
    if found.database_error:
        yield f"The database did not answer: {found.database_error}"
    if found.database and not found.database.is_proven:
        yield f"Rows were not checked: {found.database.told()}"
    yield from discarded_lines(found.discarded)


def _matching(found: DeadLetterListing, selection: Selection) -> str:
    look = found.look
    of_about = "" if look.saw == look.about else f"{look.saw:,} seen of about "
    seen = f"{of_about}{dead_letters(look.about)}"
    return seen if selection.is_everything else f"{len(look.found):,} of {seen} match,"


def summary_fields(found: DeadLetterListing) -> dict[str, object]:
    look = found.look
    return {
        "matched": len(look.found),
        "saw": look.saw,
        "about": look.about,
        "complete": look.is_complete,
        "not_released": look.not_released,
        "database": found.database.fields() if found.database else None,
        "database_error": found.database_error,
        "discarded": {run_id: len(ids) for run_id, ids in found.discarded.items()},
    }


def _ages(group: Group, *, now: datetime) -> str:
    if group.oldest is None or group.newest is None:
        return ""
    oldest, newest = relative(group.oldest, now=now), relative(group.newest, now=now)
    return oldest if oldest == newest else f"{oldest} to {newest}"


def _expiry(group: Group, *, now: datetime) -> Words:
    if group.expiry is None:
        return ""
    tone = Tone.WARNING if group.expiry.at - now <= SOON else Tone.PLAIN
    verb = "expired" if group.expiry.at <= now else "expires" if group.expiry.count == 1 else "expire"
    return Toned(f"{group.expiry.count:,} {verb} {relative(group.expiry.at, now=now)}", tone)


def _repeated(group: Group) -> str:
    """A number of dead letters is no number of messages where one has several."""
    if not group.repeated:
        return ""
    messages = group.count - group.repeated
    return f"{dead_letters(group.count)} of {many(messages, 'message')}"


def _rows(group: Group) -> Words:
    if not group.states:
        return ""
    return "rows: " + joined(
        ", ", [f"{count:,} " + of_state(state.value) for state, count in group.states.items()]
    )


def _time(moment: datetime | None) -> str | None:
    return format_time(moment) if moment else None
