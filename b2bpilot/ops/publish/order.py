"""What is to be published: a fixture so many times, or the lines of a file, each so often."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from b2bpilot.errors import MessageTooLarge, UsageError
from b2bpilot.ops.publish.compose import compose
from b2bpilot.ops.publish.fixtures import Fixture, fixture_of
from b2bpilot.pipeline.message import PilotMessage, Priority, encode, is_derived

CONTROLS = frozenset({"fixture", "params", "message_id", "priority"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One message to send, for the first time or, on purpose, again: then `copy` is 2 or more."""

    message: PilotMessage
    copy: int = 1

    @property
    def key(self) -> str:
        """What names it in the run: the message's id, and which copy when it is not the first."""
        return key_of(self.message.message_id, self.copy)


def key_of(message_id: str, copy: int) -> str:
    return message_id if copy == 1 else f"{message_id}#{copy}"


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMessage:
    """One message as it was asked for. `where` names its place, in a file."""

    fixture: Fixture
    message_id: str | None = None
    priority: Priority = Priority.NORMAL
    where: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOrder:
    """Everything that was asked for. `changes` win over what a fixture or a line says."""

    wanted: Sequence[WantedMessage]
    count: int = 1
    duplicates: int = 0
    changes: Mapping[str, str] = field(default_factory=dict, repr=False)
    real: bool = False

    @property
    def messages(self) -> int:
        return len(self.wanted) * self.count

    @property
    def items(self) -> int:
        return self.messages * (1 + self.duplicates)

    def check(self, *, now: datetime) -> PilotMessage:
        """Compose each once and return the first. Raises UsageError, MessageTooLarge: before anything is sent."""
        if self.count > 1 and any(self._names_one(one) for one in self.wanted):
            raise UsageError(
                "a message that names its id is one message",
                hint="--duplicate N sends the same one again",
            )
        composed = [self._compose(one, now=now) for one in self.wanted]
        for one, message in zip(self.wanted, composed, strict=True):
            _check_size(one, message)
        return composed[0]

    def samples(self, *, now: datetime) -> Iterator[PilotMessage]:
        """Yield each that was asked for once, with what is drawn anew for each copy."""
        return (self._compose(one, now=now) for one in self.wanted)

    def of_twilio(self, *, now: datetime) -> list[str]:
        """Return the ids that look like those of Twilio's messages, and that were named by hand or come of a test's SID: under
        one of them the message of Twilio can not be stored any more. What a fixture draws anew each time is nobody's."""
        named = [one for one in self.wanted if one.message_id or (not self.real and self._names_one(one))]
        return [id_ for one in named if is_derived(id_ := self._compose(one, now=now).message_id)]

    def each(self, *, clock: Callable[[], datetime]) -> Iterator[Item]:
        """Yield what to send: all messages, then all of them again for each duplicate."""
        seen: Counter[str] = Counter()
        first: list[Item] = []
        for one in self.wanted:
            for _ in range(self.count):
                message = self._compose(one, now=clock())
                seen[message.message_id] += 1
                _check_size(one, message)
                item = Item(message=message, copy=seen[message.message_id])
                if self.duplicates:
                    first.append(item)
                yield item
        for _ in range(self.duplicates):
            for item in first:
                message_id = item.message.message_id
                seen[message_id] += 1
                yield Item(message=item.message, copy=seen[message_id])

    def _names_one(self, one: WantedMessage) -> bool:
        return bool(one.message_id or "MessageSid" in {**one.fixture.changes, **self.changes})

    def _compose(self, one: WantedMessage, *, now: datetime) -> PilotMessage:
        chosen = {**one.fixture.changes, **self.changes}
        params = {**one.fixture.params(), **self.changes}
        if "NumMedia" not in chosen and any(name.startswith("MediaUrl") for name in chosen):
            params.pop("NumMedia", None)
        try:
            return compose(params, message_id=one.message_id, real=self.real, now=now, priority=one.priority)
        except UsageError as exc:
            raise _at(one, exc) from exc


def lines_wanted(lines: Sequence[str], *, name: str) -> list[WantedMessage]:
    """Return the messages of a JSON lines file: Twilio's parameters, or `{"fixture", "params", "message_id", "priority"}`.

    Raises UsageError that names the line.
    """
    wanted = [
        _wanted(line, where=f"{name}, line {number}")
        for number, line in enumerate(lines, start=1)
        if line.strip()
    ]
    if not wanted:
        raise UsageError(f"{name} holds no message")
    return wanted


def parse_priority(text: object, *, where: str) -> Priority:
    try:
        return Priority(str(text))
    except ValueError as exc:
        raise UsageError(f"{where}: {text!r} is not a priority", hint="normal or high") from exc


def _wanted(line: str, *, where: str) -> WantedMessage:
    try:
        document = json.loads(line)
    except (ValueError, RecursionError) as exc:
        raise UsageError(f"{where}: not JSON") from exc
    if isinstance(document, dict) and not CONTROLS & document.keys():
        document = {"params": document}
    fixture = fixture_of(document, where=where)
    if unknown := sorted(document.keys() - CONTROLS):
        raise UsageError(
            f"{where}: {unknown[0]!r} is not known here",
            hint=f"besides params: {', '.join(sorted(CONTROLS))}",
        )
    message_id = document.get("message_id")
    return WantedMessage(
        fixture=fixture,
        message_id=None if message_id is None else str(message_id),
        priority=parse_priority(document.get("priority", "normal"), where=where),
        where=where,
    )


def _check_size(one: WantedMessage, message: PilotMessage) -> None:
    try:
        encode(message)
    except MessageTooLarge as exc:
        raise MessageTooLarge(f"{one.where}: {exc}" if one.where else str(exc)) from exc


def _at(one: WantedMessage, error: UsageError) -> UsageError:
    return UsageError(f"{one.where}: {error}", hint=error.hint) if one.where else error
