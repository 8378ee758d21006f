"""The options that say which dead letters are meant: declared once, the same for every `dlq` command."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperOption

from b2bpilot.cli.frame import remembered, values
from b2bpilot.cli.frame.commands import PilotCommand, is_global
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.options import WHEN
from b2bpilot.cli.text.durations import parse_duration, parse_since
from b2bpilot.errors import UsageError

if TYPE_CHECKING:
    from typer._click import Parameter

    from b2bpilot.ops.dead_letters.filters import Selection
else:
    Parameter = Any

KEY = "b2bpilot.dlq.selection"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilterOption:
    """One of the options."""

    name: str
    metavar: str
    help: str
    is_many: bool = False
    known: Callable[[typer.Context], values.Known] | None = None
    """What is offered for completion."""

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


FILTERS = (
    FilterOption(
        name="group",
        metavar="GROUP",
        help="Only this group from `dlq list`, such as G1.",
        known=values.groups,
    ),
    FilterOption(name="since", metavar="WHEN", help=f"Only dead letters written since: {WHEN}."),
    FilterOption(name="until", metavar="WHEN", help="Only dead letters written before this time."),
    FilterOption(
        name="older_than", metavar="DURATION", help="Only dead letters at least this old, such as 10m."
    ),
    FilterOption(
        name="message_id",
        metavar="ID",
        is_many=True,
        help="Only this message: message_id, MessageSid, or id in the queue; repeatable.",
    ),
    FilterOption(
        name="error", metavar="TEXT", help="Only dead letters whose error text or code contains TEXT."
    ),
    FilterOption(
        name="from", metavar="NUMBER", help="Only dead letters from this sender, such as +15005550006."
    ),
    FilterOption(
        name="limit", metavar="N", help="Maximum number, not counting what the command leaves alone."
    ),
    FilterOption(
        name="where",
        metavar="EXPR",
        help="Only dead letters for which this JMESPath expression is true; fields: failure.*, message.*, params.*, letter.*.",
    ),
)


class DeadLetterCommand(PilotCommand):
    """A command about the dead letters of one subscriber: the processor, unless --subscriber says whose."""

    filters: tuple[FilterOption, ...] = ()

    def get_params(self, ctx: typer.Context) -> list[Parameter]:  # type: ignore[override]  # typer re-exports Context
        own = super().get_params(ctx)
        after = [
            parameter
            for parameter in own
            if isinstance(parameter, TyperOption) and (parameter.name == "help" or is_global(parameter))
        ]
        before = [parameter for parameter in own if parameter not in after]
        return [*before, *map(_option, self.filters), _subscriber_option(), *after]


class SelectingCommand(DeadLetterCommand):
    """A command about some of the dead letters; `selection_of` says which."""

    filters = FILTERS


def selection_of(ctx: typer.Context, pilot: Pilot) -> Selection:
    """Return what the options say. Times count from AWS's now, as SQS dates what it is sent; what is wrong is refused before
    AWS is asked. Raises UsageError."""
    found = checked_selection(ctx, pilot)
    return _selection(ctx.meta.get(KEY, {}), now=pilot.now()) if found.since or found.until else found


def selection_as_listed(ctx: typer.Context, pilot: Pilot) -> Selection:
    """Return the same to act on: a group is refused that is another one than `dlq list` showed here last. Raises UsageError,
    AwsError."""
    from b2bpilot.ops.dead_letters.filters import ListedGroup

    found = selection_of(ctx, pilot)
    if found.group is None:
        return found
    causes = remembered.listed_causes(pilot.runs_home, pilot.environment.queue().url)
    cause = causes.get(found.group.upper())
    return replace(found, listed=ListedGroup(cause=cause, at=causes[remembered.AT]) if cause else None)


def checked_selection(ctx: typer.Context, pilot: Pilot) -> Selection:
    """Return the same by this machine's clock, without asking anybody: good enough to refuse it. Raises UsageError."""
    given = ctx.meta.get(KEY, {})
    _require_values(given)
    return _selection(given, now=pilot.machine())


def _selection(given: Mapping[str, Any], *, now: datetime) -> Selection:
    from b2bpilot.ops.dead_letters.expression import Expression
    from b2bpilot.ops.dead_letters.filters import Selection
    from b2bpilot.ops.inspect import identify

    since, until, older_than, where = (given.get(name) for name in ("since", "until", "older_than", "where"))
    return Selection(
        group=given.get("group"),
        since=parse_since(since, "--since", now=now) if since else None,
        until=parse_since(until, "--until", now=now) if until else None,
        older_than=parse_duration(older_than, "--older-than") if older_than else None,
        message_ids=frozenset(identify(text) for text in given.get("message_id", ())),
        error=given.get("error"),
        from_number=given.get("from"),
        limit=_limit(given.get("limit")),
        where=Expression.parse(where) if where else None,
    )


def _require_values(given: Mapping[str, str | Sequence[str]]) -> None:
    """`--group "$G"` of a script whose variable is empty must not mean the whole queue. Raises UsageError."""
    for each in FILTERS:
        values = given.get(each.name, ())
        if any(not value.strip() for value in ([values] if isinstance(values, str) else values)):
            raise UsageError(
                f"{each.flag} is empty: it would not filter, and would select every dead letter",
                hint="give it a value, or leave the option out",
            )


def _limit(text: str | None) -> int | None:
    if text is None:
        return None
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise UsageError(f"--limit: {text!r} must be a whole number from 1")
    return int(text)


def _subscriber_option() -> TyperOption:
    def collect(ctx: typer.Context, _: Parameter, value: str | None) -> None:
        if value is not None:
            ctx.obj.subscriber = _required(value)

    return TyperOption(
        param_decls=["dead_letter_subscriber", "--subscriber"],
        default=None,
        metavar="NAME",
        help="Whose dead letters: name or subscription ARN.  [default: processor]",
        expose_value=False,
        callback=collect,
        autocompletion=values.directly(values.subscribers),
    )


def _required(value: str) -> str:
    """An empty variable of a script must not mean the processor. Raises UsageError."""
    if not value.strip():
        raise UsageError(
            "--subscriber is empty", hint="name one, or leave it out for the processor's dead letters"
        )
    return value.strip()


def _option(given: FilterOption) -> TyperOption:
    def collect(ctx: typer.Context, _: Parameter, value: str | list[str] | None) -> None:
        if value not in (None, [], ()):
            ctx.meta.setdefault(KEY, {})[given.name] = value

    return TyperOption(
        param_decls=[f"selection_{given.name}", given.flag],
        default=None,
        metavar=given.metavar,
        multiple=given.is_many,
        help=given.help,
        expose_value=False,
        callback=collect,
        autocompletion=values.directly(given.known) if given.known else None,
    )
