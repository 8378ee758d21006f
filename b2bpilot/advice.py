"""Commands of ours in what is said to people: a value, which is written once it is known where it must lead.

Standard library only: an error's hint is raised in `pipeline`, too, which runs in Lambda.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

GROUPS = frozenset({"completion", "config", "diagnose", "dlq", "local", "runs", "submissions", "twilio"})
"""Commands whose second word is part of their name, as it is of those in TWO_WORDS."""
TWO_WORDS = frozenset(
    {
        ("subscribers", "backfill"),
        ("subscribers", "list"),
        ("subscribers", "new"),
        ("subscribers", "test"),
        *(("logs", name) for name in ("express", "processor", "redriver", "stale", "webhook")),
    }
)
OF_THE_MACHINE = frozenset(
    {("demo",), ("explain",), ("subscribers", "new")}
    | {("local", name) for name in ("up", "down", "status")}
    | {("completion", name) for name in ("install", "uninstall", "show")}
)
"""What asks no environment's AWS."""
BY_THE_JOURNAL = frozenset({("runs", "list"), ("runs", "show")})
"""What reads the journals of this machine alone."""
OF_THE_RUN = frozenset({("runs", "resume")})
"""What a run's journal tells the environment and the region of."""
OF_THE_TABLE = frozenset(
    {(name,) for name in ("diagnose", "inspect", "load", "migrate", "publish", "status", "verify")}
    | {("submissions", name) for name in ("list", "republish", "show", "stuck")}
    | {("dlq", name) for name in ("discard", "edit", "list", "redrive", "replay", "restore", "show")}
    | {("runs", "resume"), ("subscribers", "backfill"), ("twilio", "reconcile")}
)
"""They ask the table, and the answer is that table's."""
NAMED_DATABASE = "${B2BPILOT_DATABASE_URL:?export it first}"
"""The URL may hold a password: the next shell has it in a variable, or stops there with these words."""
OF_THE_SUBSCRIBER, SUBSCRIBER = "dlq", "--subscriber"
"""The commands that are about the dead letters of one subscriber, and the option that says whose."""
LOCAL = "local"
"""The environment that says by itself where it is."""
REGION = "--region"
ENVIRONMENT = frozenset({"-e", "--env"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What a command was told of where to go: the settings of this one, wherever they came from."""

    environment: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    names_a_database: bool = False
    subscriber: str | None = None
    """Whose dead letters a command is about, where they are not the processor's."""
    is_other_side: bool = False
    """Whether `region` is the other side's of a pair, which also a local one does not say by itself."""


NOWHERE = Place()


class Said:
    """What can be joined with text by `+`, and is written for a place."""

    __slots__ = ()

    def parts(self) -> tuple[Words, ...]:
        raise NotImplementedError

    def written(self, place: Place) -> str:
        return "".join(text for text, _ in self.spelled(place))

    def spelled(self, place: Place) -> Iterator[tuple[str, Words]]:
        """Each part as text, and what it is. A command that ends a text or a part of it stands as it is; amid words it
        stands in backticks."""
        parts = self.parts()
        texts = [written(part, place) for part in parts]
        around = [
            "",
            *(None if isinstance(part, Command) else text for part, text in zip(parts, texts, strict=True)),
            "",
        ]
        for n, (part, text) in enumerate(zip(parts, texts, strict=True)):
            yield _in_text(around[n], text, around[n + 2]) if isinstance(part, Command) else text, part

    def __add__(self, other: Words) -> Advice:
        return Advice((*self.parts(), *_parts(other)))

    def __radd__(self, other: str) -> Advice:
        return Advice((other, *self.parts()))

    def __str__(self) -> str:
        return self.written(NOWHERE)

    def __format__(self, _spec: str) -> str:
        """In an f-string it would be written for nowhere, and run on another environment or none."""
        raise TypeError("join a command with text by +: formatted, it loses where it must lead")


@dataclass(frozen=True, slots=True)
class Command(Said):
    """A command of ours without what the settings say: its name, its arguments, its own options."""

    words: tuple[str, ...]

    def parts(self) -> tuple[Words, ...]:
        return (self,)

    def written(self, place: Place) -> str:
        """The one place where a command of ours becomes text."""
        size = 2 if self.words[0] in GROUPS or self.words[:2] in TWO_WORDS else 1
        name, rest = self.words[:size], self.words[size:]
        return " ".join(["b2bpilot", *name, *self._options(name, rest, place), *map(_quoted, rest)])

    @staticmethod
    def _options(name: tuple[str, ...], rest: tuple[str, ...], place: Place) -> list[str]:
        if name in OF_THE_MACHINE or name in BY_THE_JOURNAL:
            return []
        is_of_the_run = name in OF_THE_RUN
        given = {
            "-e": None if is_of_the_run or ENVIRONMENT & {*rest} else place.environment,
            "--region": None
            if is_of_the_run or REGION in rest or (place.environment == LOCAL and not place.is_other_side)
            else place.region,
            "--profile": None if place.environment == LOCAL else place.profile,
            "--endpoint-url": place.endpoint_url,
        }
        options = [f"{flag} {shlex.quote(value)}" for flag, value in given.items() if value]
        asks_the_table = not OF_THE_TABLE.isdisjoint((name, name[:1]))
        database = [f'--database-url "{NAMED_DATABASE}"'] if place.names_a_database and asks_the_table else []
        is_named = not place.subscriber or name[0] != OF_THE_SUBSCRIBER or SUBSCRIBER in rest
        subscriber = [] if is_named else [f"{SUBSCRIBER} {shlex.quote(str(place.subscriber))}"]
        return [*options, *database, *subscriber]


@dataclass(frozen=True, slots=True)
class Advice(Said):
    """Text with commands in it."""

    pieces: tuple[Words, ...]

    def parts(self) -> tuple[Words, ...]:
        return self.pieces


Words = str | Said
"""What can be said to people."""


def our_command(*words: str) -> Command:
    """Name a command of ours, word by word, as in `our_command("dlq", "restore", run_id)`."""
    return Command(words)


def joined(between: str, parts: list[Words]) -> Words:
    """Do for words what str.join does for text."""
    found: Words = parts[0] if parts else ""
    for part in parts[1:]:
        found = found + between + part
    return found


def written(words: Words, place: Place) -> str:
    return words if isinstance(words, str) else words.written(place)


def _parts(words: Words) -> tuple[Words, ...]:
    return (words,) if isinstance(words, str) else words.parts()


def _in_text(before: str | None, text: str, after: str | None) -> str:
    """None is another command."""
    begins = before is not None and (not before or before.endswith((": ", "\n", "  ")))
    ends = after is not None and (not after or after.startswith((";", "   ", "\n")))
    return text if begins and ends else f"`{text}`"


def _quoted(word: str) -> str:
    """A placeholder such as `...` stays readable."""
    return word if word == "..." else shlex.quote(word)
