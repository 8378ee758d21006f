"""What `publish` shows at its end: what was accepted, what was not and why, and what the rows and the log say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import Format
from b2bpilot.cli.output import Row, of_state
from b2bpilot.plural import many

if TYPE_CHECKING:
    from b2bpilot.ops.asking import InquiryAnswer
    from b2bpilot.ops.publish.proof import PublishedRow, PublishedRows, Waited
    from b2bpilot.ops.publish.sending import Dispatch, SentItem
    from b2bpilot.ops.subscribers.reach import Reach
    from b2bpilot.pipeline.message import PilotMessage

PERHAPS_PUBLISHED = ": no answer came, or none that says so; perhaps published"
FEW = 50
"""So many sendings are listed also when all went well, if some were sent again on purpose."""
OUTCOMES = {
    "accepted": "accepted",
    "failed": "not published",
    "throttled": "not published: throttled",
    "unknown": "unknown: perhaps published",
    "fatal": "not published",
}


def _outcome(result: SentItem) -> str:
    """The documents' word for what became of a message that was certainly not published."""
    if result.outcome.value != "not sent":
        return result.outcome.value
    return "fatal" if result.is_fatal else "failed"


def show_one(pilot: Pilot, run_id: str, result: SentItem, *, is_test: bool) -> None:
    published = {
        "message_id": result.message_id,
        "sns_message_id": result.sns_message_id,
        "outcome": _outcome(result),
        "test": is_test,
        "environment": pilot.environment.name,
        "run_id": run_id,
    }
    if result.error is not None:
        pilot.output.record({"published": published}, text=[])
        pilot.output.notice("Try it again under the same id: " + our_command("runs", "resume", run_id))
        return
    how = f"SNS {result.sns_message_id}" if result.sns_message_id else "through the webhook"
    kind = f"test, {how}" if is_test else how
    pilot.output.record({"published": published}, text=[f"Published {result.message_id} ({kind})"])


def show_reach(pilot: Pilot, answer: InquiryAnswer[Reach]) -> None:
    """Say which other subscribers get what was published, where there are some."""
    from b2bpilot.ops.subscribers.reach import Reach

    found = answer.value or Reach(error=answer.error)
    pilot.output.record({"reach": found.fields()}, text=[])
    if line := found.told():
        pilot.output.notice(line)


def show_curl(pilot: Pilot, messages: Sequence[PilotMessage], commands: Sequence[str]) -> None:
    """A command is printed to the letter: blanking or breaking anything in it would break its signature."""
    fields = [
        {"message_id": message.message_id, "test": message.test, "command": command}
        for message, command in zip(messages, commands, strict=True)
    ]
    pilot.output.verbatim(commands)
    if pilot.output.format is not Format.TABLE:
        pilot.output.rows("curl", (Row(fields=one, columns={}) for one in fields))
    pilot.output.notice(
        "Nothing was sent. A command pasted twice sends one message twice: it is stored once."
    )
    if any(not message.test for message in messages):
        pilot.output.notice(
            "It is a real message: if the environment has a reply configured, its sender gets it."
        )


def show_many(
    pilot: Pilot, run_id: str, dispatch: Dispatch, *, via: str, limit: float | None, is_test: bool
) -> None:
    counts = dispatch.counts()
    sent = len(dispatch.results)
    rate = sent / dispatch.seconds if dispatch.seconds else 0.0
    fields = {
        "run_id": run_id,
        "environment": pilot.environment.name,
        "via": via,
        "test": is_test,
        "messages": dispatch.total,
        **counts,
        "accepted_earlier": dispatch.earlier,
        "seconds": round(dispatch.seconds, 3),
        "rate": round(rate, 1),
    }
    pilot.output.record({"published": fields}, text=_told(dispatch, rate, limit=limit))
    pilot.output.rows("messages", (_row(result) for result in _shown(pilot, dispatch)))


def _told(dispatch: Dispatch, rate: float, *, limit: float | None) -> list[str]:
    """The first of a limited run goes at once, so that a short one measures more than its limit."""
    speed = f"{rate:,.0f} a second" if limit is None or rate < limit else f"at most {limit:g} a second"
    what = many(dispatch.accepted, "message")
    lines = [f"Published {what} in {dispatch.seconds:.1f} s ({speed})"]
    if not dispatch.is_complete:
        counts = dispatch.counts()
        known = "Known to be published:" if counts["unknown"] else "Published"
        lines = [
            f"{known} {counts['accepted']:,} of {many(dispatch.total, 'message')} in {dispatch.seconds:.1f} s"
        ]
        lines += [
            f"  {many(counts[name], one, several)}{rest}"
            for name, one, several, rest in (
                ("failed", "was", "were", " certainly not published"),
                ("unknown", "is unknown", "are unknown", PERHAPS_PUBLISHED),
                ("never_sent", "was", "were", " not sent"),
            )
            if counts[name]
        ]
    if dispatch.earlier:
        lines.append(f"  {dispatch.earlier:,} had been published before this attempt")
    reasons = Counter(str(result.error) for result in dispatch.not_accepted if result.error)
    return lines + [f"  {count:,} x {reason}" for reason, count in reasons.most_common(5)]


def _shown(pilot: Pilot, dispatch: Dispatch) -> Sequence[SentItem]:
    """Programs get every message; people those with which something went wrong, or all of a few that were sent again."""
    has_copies = any(result.copy > 1 for result in dispatch.results)
    if pilot.output.format is not Format.TABLE or (has_copies and len(dispatch.results) <= FEW):
        return sorted(dispatch.results, key=lambda result: result.copy)
    return dispatch.not_accepted


def _row(result: SentItem) -> Row:
    error = str(result.error) if result.error else None
    return Row(
        fields={
            "message_id": result.message_id,
            "copy": result.copy,
            "outcome": _outcome(result),
            "sns_message_id": result.sns_message_id,
            "error": error,
        },
        columns={
            "message id": result.message_id,
            "copy": str(result.copy),
            "outcome": of_state(OUTCOMES[_outcome(result)]),
            "SNS id or why": error or result.sns_message_id or "-",
        },
    )


def show_proof(pilot: Pilot, proof: PublishedRows) -> None:
    text = [f"Stored {proof.stored:,} of {len(proof.messages):,}, as their rows say"]
    before = proof.counts().get("stored_before", 0)
    if before:
        text.append(f"  {before:,} of them before this run: the processor skips those as duplicates")
    pilot.output.record({"waited": {"messages": len(proof.messages), **proof.counts()}}, text=text)
    everything = pilot.output.format is not Format.TABLE
    shown = proof.messages if everything else proof.not_stored
    pilot.output.rows("rows", (_proven_row(one) for one in shown))


def _proven_row(one: PublishedRow) -> Row:
    return Row(
        fields={
            "message_id": one.message_id,
            "verdict": one.word,
            "attempts": one.proven.row.attempts if one.proven.row else None,
            "why": one.why,
        },
        columns={
            "message id": one.message_id,
            "row": of_state(one.word.replace("_", " ")),
            "why": one.why or "-",
        },
    )


def show_echo(pilot: Pilot, dispatch: Dispatch, *, since: datetime) -> None:
    """Say what the processor did with each delivery of messages that were sent again on purpose."""
    from b2bpilot.ops.publish import echo

    sendings = Counter(result.message_id for result in dispatch.results)
    if max(sendings.values(), default=0) < 2:  # noqa: PLR2004  # nothing was sent twice
        return
    asked = dict(list(sendings.items())[: echo.MOST_MESSAGES])
    each = {
        one.message_id: echo.deliveries_of_one(pilot.environment, one.priority) for one in dispatch.results
    }
    expected = {id_: count * each[id_] for id_, count in asked.items()}
    with pilot.output.progress("Reading the processor's log"):
        heard = echo.listen(echo.logs_of(pilot.environment), expected, since=since, now=pilot.now)
    if heard.error:
        pilot.output.notice(f"What became of each delivery is unknown: {heard.error}")
    rows = [
        Row(
            fields={"message_id": id_, "deliveries": count, "log": dict(heard.events[id_])},
            columns={
                "message id": id_,
                "sent": str(count),
                "the processor's log says": echo.sentence(heard.events[id_], expected[id_]),
            },
        )
        for id_, count in asked.items()
    ]
    pilot.output.rows("deliveries", rows)
    if len(asked) < len(sendings):
        pilot.output.notice(
            f"The log was asked about the first {len(asked)} of {many(len(sendings), 'message')}."
        )


def show_waited(pilot: Pilot, waited: Waited) -> None:
    """Show what the row of the only message says."""
    row, latency = waited.submission, waited.latency
    latency_ms = latency / timedelta(milliseconds=1) if latency is not None else None
    fields = {
        "verdict": waited.published.word,
        "latency_ms": latency_ms,
        "attempts": row.attempts if row else None,
        "last_error": row.last_error if row else None,
    }
    text = []
    if waited.published.is_new and latency_ms is not None:
        text = [f"Stored {latency_ms:.0f} ms after it was published"]
    if waited.published.is_stored and waited.published.was_before:
        text = ["It was stored before: the processor skips it as a duplicate"]
    pilot.output.record({"waited": fields}, text=text)
