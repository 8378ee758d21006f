"""`b2bpilot publish`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import (
    DRY_RUN,
    Concurrency,
    DryRun,
    PublishVia,
    Rate,
    Reason,
    Via,
    WaitIfAsked,
    Yes,
)
from b2bpilot.cli.frame.settings import LOCAL, user_config
from b2bpilot.cli.publish.options import (
    AsCurl,
    Body,
    Count,
    Duplicate,
    FixtureName,
    FromNumber,
    MessageFile,
    MessageId,
    PriorityOption,
    Real,
    Save,
    Set,
    ToNumber,
)
from b2bpilot.cli.runs.kind import RunKind
from b2bpilot.cli.text.durations import parse_duration
from b2bpilot.cli.text.privacy import cut, mask_number
from b2bpilot.errors import UsageError
from b2bpilot.pipeline.message import Priority
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.cli.publish.publishing import PublishOptions
    from b2bpilot.ops.publish.fixtures import Fixture
    from b2bpilot.ops.publish.order import PublishOrder, WantedMessage
    from b2bpilot.ops.runs.record import RunRecord
    from b2bpilot.ops.subscribers.reach import Reach
    from b2bpilot.ops.table.asked import Named
    from b2bpilot.pipeline.message import PilotMessage

RUN = RunKind(
    typed="publish",
    unit="messages",
    key="message and copy",
    well="accepted",
    perhaps={"sending": "perhaps published", "unknown": "perhaps published"},
    total="items",
    resume="b2bpilot.cli.publish.command:resume",
)


def publish(
    ctx: typer.Context,
    fixture: FixtureName = None,
    *,
    body: Body = None,
    from_number: FromNumber = None,
    to_number: ToNumber = None,
    changes: Set = None,
    file: MessageFile = None,
    message_id: MessageId = None,
    priority: PriorityOption = None,
    count: Count = 1,
    duplicate: Duplicate = 0,
    via: Via = PublishVia.TOPIC,
    rate: Rate = None,
    concurrency: Concurrency = None,
    wait: WaitIfAsked = None,
    real: Real = False,
    save: Save = None,
    as_curl: AsCurl = False,
    dry_run: DryRun = False,
    reason: Reason = None,
    yes: Yes = False,
) -> None:
    """Publish test messages, one or thousands, to the environment's topic. They get no reply; --real publishes real ones.

    "Published" means that SNS accepted the message; with --wait, its row in the database is the proof. Exit code 4: some
    are not known to be published or stored. They are listed, and `runs resume` sends those not known to be sent. Exit
    code 1: none of those published was stored in time.

    Example: b2bpilot publish media --set Body="see photo" --count 5000 --wait
    """
    from b2bpilot.cli.publish import publishing
    from b2bpilot.ops.publish.order import PublishOrder

    pilot = pilot_of(ctx)
    timeout = parse_duration(wait, "--wait") if wait else None
    chosen = _fixture(pilot, fixture, _changes(body, from_number, to_number, changes))
    if save is not None:
        sent = {"--file": file, "--wait": wait, "--message-id": message_id, "--as-curl": as_curl}
        _refuse({"--save": True}, sent)
        _save(pilot, save, chosen)
        return
    _refuse({"--via webhook": via is PublishVia.WEBHOOK}, {"--priority": priority})
    of_one = {"a fixture": fixture, "--message-id": message_id, "--priority": priority}
    _refuse({"--file": file is not None}, of_one | {"--count": count > 1})
    wanted = _lines(file) if file is not None else [_one(chosen, message_id, priority)]
    changed = chosen.changes if file is not None else {}
    order = PublishOrder(wanted=wanted, count=count, duplicates=duplicate, changes=changed, real=real)
    first = order.check(now=pilot.machine())
    request = publishing.PublishOptions(
        via=via.value, rate=rate, concurrency=concurrency, timeout=timeout, reason=reason
    )
    _warn_of_twilio_ids(pilot, order)
    if as_curl:
        _require_nothing_of_sending(request, duplicate=duplicate, dry_run=dry_run)
        publishing.show_curl(pilot, order)
    elif _confirmed(pilot, order, first, request, dry_run=dry_run, yes=yes):
        publishing.publish(pilot, order, request)


def _require_nothing_of_sending(request: PublishOptions, *, duplicate: int, dry_run: bool) -> None:
    """A printed command is pasted, by whom and as often as one likes: what says how to send would be ignored."""
    if request.via != PublishVia.WEBHOOK.value:
        raise UsageError("--as-curl prints a request to the webhook", hint="add --via webhook")
    ignored: dict[str, object] = {
        "--duplicate": duplicate,
        "--rate": request.rate,
        "--concurrency": request.concurrency,
        "--wait": request.timeout,
        "--reason": request.reason,
        "--dry-run": dry_run,
    }
    _refuse({"--as-curl": True}, ignored)


def _one(fixture: Fixture, message_id: str | None, priority: Priority | None) -> WantedMessage:
    from b2bpilot.ops.publish.order import WantedMessage

    urgency = priority or Priority.NORMAL
    return WantedMessage(fixture=fixture, message_id=message_id, priority=urgency)


def _warn_of_twilio_ids(pilot: Pilot, order: PublishOrder) -> None:
    """Such ids are UUIDs of version 5, made of a MessageSid."""
    if not (found := order.of_twilio(now=pilot.machine())):
        return
    example = found[0] + (f", and {len(found) - 1:,} more," if len(found) > 1 else "")
    happens = "is skipped as a duplicate" if order.real else "is refused, and becomes a dead letter"
    pilot.output.notice(
        f"Warning: {example} may be the id of a message of Twilio: stored under it, that message {happens} when it comes"
    )


def resume(pilot: Pilot, record: RunRecord, *, yes: bool) -> None:
    """Send what is not known to be sent: `b2bpilot runs resume`."""
    from b2bpilot.cli.publish import publishing

    publishing.resume(pilot, record, yes=yes)


def fixtures_folder(pilot: Pilot) -> Path:
    return user_config(pilot.environ) / "fixtures"


def _changes(
    body: str | None, from_number: str | None, to_number: str | None, changes: list[str] | None
) -> dict[str, str]:
    from b2bpilot.ops.parameters import parse_parameter

    named = {"From": from_number, "To": to_number, "Body": body}
    given = {name: value for name, value in named.items() if value is not None}
    if empty := [name for name in ("From", "To") if given.get(name) == ""]:
        raise UsageError(
            f"--{empty[0].lower()}: no number", hint=f"to send none on purpose: --set {empty[0]}="
        )
    return given | dict(parse_parameter(text) for text in changes or [])


def _fixture(pilot: Pilot, name: str | None, changes: dict[str, str]) -> Fixture:
    from b2bpilot.ops.publish import fixtures

    if name is None:
        return fixtures.Fixture(changes=changes)
    found = fixtures.find(fixtures_folder(pilot), name)
    return fixtures.Fixture(base=found.base, changes={**found.changes, **changes})


def _save(pilot: Pilot, name: str, fixture: Fixture) -> None:
    from b2bpilot.ops.publish import fixtures

    path, replaced = fixtures.save(fixtures_folder(pilot), name, fixture)
    text = f"{'Replaced' if replaced else 'Saved'} {path}; nothing was sent. Send it: " + our_command(
        "publish", name
    )
    pilot.output.record({"saved": {"name": name, "file": str(path), "replaced": replaced}}, text=[text])


def _lines(file: str) -> Sequence[WantedMessage]:
    from b2bpilot.ops.publish.order import lines_wanted

    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"--file: {file} cannot be read: {getattr(exc, 'strerror', None) or exc}") from exc
    return lines_wanted(text.split("\n"), name="stdin" if file == "-" else file)


def _refuse(option: Mapping[str, bool], others: Mapping[str, object]) -> None:
    """Raises UsageError for an option that would be ignored."""
    ((name, is_given),) = option.items()
    given = [other for other, value in others.items() if value]
    if is_given and given:
        raise UsageError(f"{given[0]} cannot be used with {name}", hint="leave one of them out")


def _confirmed(
    pilot: Pilot, order: PublishOrder, first: PilotMessage, request: object, *, dry_run: bool, yes: bool
) -> bool:
    """Show the plan where it matters, and ask: for real messages, and for many anywhere but in the local environment."""
    from b2bpilot.ops.publish.run import ASK_ABOVE
    from b2bpilot.ops.table.asked import named

    must_ask = order.real or (order.items > ASK_ABOVE and pilot.environment.name != LOCAL)
    is_waited_for = getattr(request, "timeout", None) is not None
    is_shown = must_ask or dry_run
    database = named(pilot.table) if is_waited_for and is_shown else None
    plan = _plan(pilot, order, first, request, database)
    found = _reach(pilot, order) if is_shown and not order.real else None
    if found and (told := found.told()):
        plan.append(f"{told}.")
    if dry_run:
        fields: dict[str, object] = {
            "environment": pilot.environment.name,
            "messages": order.messages,
            "items": order.items,
            **({"database": database.fields()} if database else {}),
            **({"reach": found.fields()} if found else {}),
        }
        pilot.output.record({"plan": {**fields, "test": not order.real}}, text=plan)
        pilot.output.notice(DRY_RUN)
        return False
    if must_ask:
        pilot.confirmation(yes=yes).ask(plan, "Publish it?" if order.items == 1 else "Publish them?")
    return True


def _reach(pilot: Pilot, order: PublishOrder) -> Reach:
    from b2bpilot.aws.session import Timeouts
    from b2bpilot.ops.subscribers.reach import asked_reach

    return asked_reach(pilot.environment, order.samples(now=pilot.machine()), timeouts=Timeouts())


def _plan(
    pilot: Pilot, order: PublishOrder, first: PilotMessage, request: object, database: Named | None
) -> list[str]:
    via = getattr(request, "via", PublishVia.TOPIC.value)
    kind = "real" if order.real else "test"
    what = many(order.messages, f"{kind} message")
    again = f", each {many(order.duplicates, 'time')} again" if order.duplicates else ""
    example = f"from {mask_number(first.params['From'])}, {cut(first.params['Body'])!r}"
    more = "" if order.messages == 1 else "the first "
    route = " through the webhook" if via == PublishVia.WEBHOOK.value else ""
    lines = [f"Publish {what} to {pilot.environment}{route}{again}: {more}{example}."]
    if order.real:
        who = "that number gets it" if order.messages == 1 else "each sender gets it"
        lines.append(f"If the environment has a reply configured, {who}.")
    if database is not None:
        lines.append(f"What is stored tells the {database.told()}.")
    return lines
