"""Dead letters on disk: one JSON line each, complete enough to put it back byte for byte, or to replay it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from b2bpilot.advice import our_command
from b2bpilot.aws.queue import Outgoing
from b2bpilot.errors import PartlyFailed, PilotError, RunUnknown, UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.recipient import place_in_words
from b2bpilot.ops.runs.durable import DurableFile
from b2bpilot.ops.runs.journal import FOLDER as RUNS
from b2bpilot.ops.runs.record import MessageState, RunRecord
from b2bpilot.ops.runs.runs import find, require_ended
from b2bpilot.paths import absolute
from b2bpilot.pipeline.dead_letter import MOST_IN_A_QUEUE, SOURCE, DeadLetter, read_dead_letter
from b2bpilot.pipeline.message import format_time
from b2bpilot.pipeline.owner import asker_of

SCHEMA_VERSION = 1
FOLDER = "archives"
ARCHIVING = frozenset({"discard", "edit"})
"""The commands whose runs archive what they delete."""
DEAD_LETTER, REPLACEMENT = "letter", "replacement"
OTHER_COPY = "take another copy of the file, or export again if the dead letter is still in the queue"


class ArchiveInvalid(PilotError):
    """A file does not hold exported dead letters; the text says where."""

    code = "archive_invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which environment's queue a dead letter was in, and of which subscriber: None is the processor."""

    environment: str
    account_id: str
    region: str
    subscriber: str | None = None

    @classmethod
    def of(cls, environment: Environment) -> Self:
        stack = environment.stack
        return cls(
            environment=environment.name,
            account_id=stack.account_id,
            region=stack.region,
            subscriber=environment.subscriber,
        )

    @property
    def asker(self) -> str:
        return asker_of(self.subscriber)

    def is_beside(self, other: Origin) -> bool:
        """Whether it is another subscriber of the same environment."""
        return replace(self, subscriber=other.subscriber) == other and self != other

    def __str__(self) -> str:
        place = place_in_words(self.environment, self.subscriber)
        return f"{place} (account {self.account_id}, {self.region})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Archived:
    """One line: a dead letter, or what `dlq edit` made of it."""

    kind: str = DEAD_LETTER
    origin: Origin
    queue_message_id: str
    body: str = field(repr=False)
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)
    system_attributes: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def outgoing(self) -> Outgoing:
        """What is put back: that it was given up by a queue, an attribute says, where SQS takes one more."""
        source = self.system_attributes.get(SOURCE)
        if source is None or len(self.attributes) >= MOST_IN_A_QUEUE:
            return Outgoing(body=self.body, attributes=self.attributes)
        named = {SOURCE: {"DataType": "String", "StringValue": source}}
        return Outgoing(body=self.body, attributes={**self.attributes, **named})

    @property
    def dead_letter(self) -> DeadLetter:
        """The dead letter as it was received, without a receipt."""
        return read_dead_letter(
            {
                "MessageId": self.queue_message_id,
                "Body": self.body,
                "Attributes": self.system_attributes,
                "MessageAttributes": self.attributes,
            }
        )


def archived(dead_letter: DeadLetter, origin: Origin) -> Archived:
    return Archived(
        origin=origin,
        queue_message_id=dead_letter.queue_message_id,
        body=dead_letter.body,
        attributes=dead_letter.attributes,
        system_attributes=_system_attributes(dead_letter),
    )


def _system_attributes(dead_letter: DeadLetter) -> dict[str, str]:
    times = {
        "SentTimestamp": dead_letter.sent_at,
        "ApproximateFirstReceiveTimestamp": dead_letter.first_received_at,
    }
    return {
        "ApproximateReceiveCount": str(dead_letter.receive_count),
        **{name: _milliseconds(moment) for name, moment in times.items() if moment is not None},
        **({SOURCE: source} if (source := dead_letter.addressee.queue_arn) else {}),
    }


def _milliseconds(moment: datetime) -> str:
    return str(round(moment.timestamp() * 1000))


def digest(outgoing: Outgoing) -> str:
    """Return what tells whether two dead letters have the same contents."""
    text = json.dumps([outgoing.body, _to_json(outgoing.attributes)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def archive_path(home: Path, run_id: str) -> Path:
    return home / FOLDER / f"{run_id}.jsonl"


def open_archive(home: Path, run_id: str) -> DurableFile:
    """Open the archive of a run, a new one or the one it had. Raises JournalFailed, or Refused while it is in use."""
    path = archive_path(home, run_id)
    return DurableFile.reopen(path) if path.exists() else DurableFile.create(path)


def line(entry: Archived, dead_letter: DeadLetter | None = None) -> bytes:
    """Return a line without its end. What it says beside the dead letter itself is for readers: of no use to a restore.

    Whoever has the entry decoded gives the `dead_letter`: decoding takes most of the time.
    """
    return json.dumps(
        {
            "schema_version": SCHEMA_VERSION,
            "kind": entry.kind,
            "environment": entry.origin.environment,
            "account_id": entry.origin.account_id,
            "region": entry.origin.region,
            **({"subscriber": entry.origin.subscriber} if entry.origin.subscriber else {}),
            "queue_message_id": entry.queue_message_id,
            "summary": _summary(dead_letter or entry.dead_letter),
            "system_attributes": dict(entry.system_attributes),
            "attributes": _to_json(entry.attributes),
            "body": entry.body,
        }
    ).encode()


def read_archive(path: Path, cut: Callable[[str], None] | None = None) -> Iterator[Archived]:
    """Yield the lines of an export or an archive, one by one. Raises ArchiveInvalid.

    A last line without an end is left out: the run that writes the archive never finished it. A reader of a file that may
    have been copied gives `cut`: it hears of such a line, unless the line is whole but for its end.
    """
    try:
        with path.open("rb") as file:
            for number, text in enumerate(file, start=1):
                place = f"{path}, line {number}"
                if text.endswith(b"\n"):
                    yield parsed(text, place)
                elif cut is not None:
                    yield from _last(text, place, cut)
    except OSError as exc:
        raise ArchiveInvalid(f"{path} cannot be read: {exc.strerror}") from exc


def _last(text: bytes, place: str, cut: Callable[[str], None]) -> Iterator[Archived]:
    """Yield what a last line without an end holds, or say that it is cut."""
    try:
        yield parsed(text, place)
    except ArchiveInvalid:
        cut(place)


def parsed(text: bytes, place: str) -> Archived:
    """Read one line; `place` says which, in an error. Raises ArchiveInvalid."""
    try:
        found = json.loads(text)
        if found["schema_version"] != SCHEMA_VERSION:
            raise ArchiveInvalid(
                f"{place}: schema_version is {found['schema_version']!r}; this version reads 1"
            )
        return Archived(
            kind=str(found["kind"]),
            origin=Origin(
                environment=str(found["environment"]),
                account_id=str(found["account_id"]),
                region=str(found["region"]),
                subscriber=found.get("subscriber"),
            ),
            queue_message_id=str(found["queue_message_id"]),
            body=str(found["body"]),
            attributes={name: _from_json(value) for name, value in found["attributes"].items()},
            system_attributes={name: str(value) for name, value in found["system_attributes"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise ArchiveInvalid(
            f"{place}: not an exported dead letter",
            hint="name a file that " + our_command("dlq", "export", "FILE") + " wrote",
        ) from exc


def dead_letters_in(path: Path, cut: Callable[[str], None] | None = None) -> Iterator[Archived]:
    """Yield each dead letter of an export or an archive once: a resumed run may have written it again. Raises ArchiveInvalid."""
    seen: set[str] = set()
    for entry in read_archive(path, cut):
        if entry.kind == DEAD_LETTER and entry.queue_message_id not in seen:
            seen.add(entry.queue_message_id)
            yield entry


def require_readable(cut: str | None, *, read: int) -> None:
    """Raise ArchiveInvalid for a file of which a cut line is all there is."""
    if cut and not read:
        raise ArchiveInvalid(
            f"{cut} is cut, and there is no other: no dead letter can be read", hint=OTHER_COPY
        )


def require_whole(cut: str | None) -> None:
    """Raise PartlyFailed for a file whose last line is cut, once what can be read is dealt with."""
    if cut:
        raise PartlyFailed(f"{cut} is cut: the dead letter in it could not be read", hint=OTHER_COPY)


def lines(dead_letters: Sequence[DeadLetter], origin: Origin) -> list[bytes]:
    return [line(archived(dead_letter, origin), dead_letter) for dead_letter in dead_letters]


def _summary(dead_letter: DeadLetter) -> Mapping[str, object]:
    message = dead_letter.message
    return {
        "message_id": message.message_id if message else None,
        "source": message.source.value if message else None,
        "received_at": format_time(message.received_at) if message else None,
        "test": message.test if message else None,
        "shape": dead_letter.shape.value,
        "failure": dead_letter.failure.kind.value,
        "error": dead_letter.failure.text,
        "error_code": dead_letter.failure.code,
        "request_id": dead_letter.failure.request_id,
        "unreadable": dead_letter.unreadable,
        "dead_since": format_time(dead_letter.sent_at) if dead_letter.sent_at else None,
        "receive_count": dead_letter.receive_count,
        "redrives": dead_letter.redrives,
        "owner": str(dead_letter.owner),
        "ownership": dead_letter.owner.ownership.value,
        "subscription_arn": dead_letter.addressee.subscription_arn,
    }


def _to_json(attributes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    return {
        name: {key: _text(part) for key, part in value.items() if isinstance(part, str | bytes)}
        for name, value in attributes.items()
    }


def _text(part: str | bytes) -> str:
    return part if isinstance(part, str) else base64.b64encode(part).decode()


def _from_json(value: Mapping[str, str]) -> dict[str, str | bytes]:
    return {
        key: base64.b64decode(part, validate=True) if key == "BinaryValue" else str(part)
        for key, part in value.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveSource:
    """A file, and the run that archived it if one did."""

    path: Path
    record: RunRecord | None = None

    @property
    def discarded(self) -> Mapping[str, MessageState] | None:
        return self.record.messages if self.record else None


def source_of(home: Path, text: str) -> ArchiveSource:
    """Return what FILE or RUN names. Raises UsageError, or Refused while the run still discards."""
    path = absolute(text)
    if path.is_file() and path.parent != home / FOLDER:
        return ArchiveSource(path=path)
    record = _run(home, path.stem if path.is_file() else text)
    if record.command not in ARCHIVING:
        raise UsageError(
            f"run {record.run_id} is a {record.command}: it archived nothing",
            hint="name a discard or an edit",
        )
    require_ended(record)
    archive = archive_path(home, record.run_id)
    if not archive.is_file():
        raise UsageError(f"run {record.run_id} has no archive {archive}: it ended before it took anything")
    return ArchiveSource(path=archive, record=record)


def _run(home: Path, text: str) -> RunRecord:
    try:
        return find(home, text)
    except RunUnknown as exc:
        raise UsageError(
            f"{text!r} is neither a file nor a run in {home / RUNS}",
            hint="name a file of `dlq export`, or a run of " + our_command("runs", "list"),
        ) from exc
