"""What is remembered of the environment in its home directory."""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from b2bpilot.errors import SettingsInvalid
from b2bpilot.local.clients import Keys
from b2bpilot.paths import private_folder

SCHEMA_VERSION = 1
STATE_FILE = "environment.json"
EVENTS = "events.sqlite3"
"""What Lambda holds of asynchronous events."""
PAIR_FOLDER = "pair"
"""What the second region of a pair keeps."""
STORE = "twilio.sqlite3"
"""What the double of Twilio holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSubscriber:
    """A subscriber that runs beside the pipeline. `queue` is between the topic and its function, where it has one, and
    `database_url` leads to the database of its own, where its template asks for one."""

    name: str
    folder: str
    stack_name: str
    functions: tuple[str, ...] = ()
    queue: str | None = None
    dead_letter_queue: str | None = None
    database_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSide:
    """One region of a pair. `folder` holds its emulator's state and what its Lambda holds of events."""

    region: str
    endpoint_url: str
    webhook_url: str
    emulator_pid: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentState:
    """Written when the environment is ready; what is left in it after it ended is reused by the next one."""

    pid: int
    started_at: str
    account_id: str
    region: str
    stack_name: str
    endpoint_url: str
    webhook_url: str
    database_url: str
    runtime_url: str
    twilio_account_sid: str
    twilio_auth_token: str = field(repr=False)
    emulator_pid: int
    postgres_pid: int
    twilio_api_url: str = ""
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    subscribers: tuple[LocalSubscriber, ...] = ()
    sides: tuple[LocalSide, ...] = ()
    """Both regions of a pair, the primary first; none of an environment in one region."""
    schema_version: int = SCHEMA_VERSION

    @property
    def keys(self) -> Keys:
        """New ones where an older version left none."""
        if not self.access_key_id:
            return Keys()
        return Keys(access_key_id=self.access_key_id, secret_access_key=self.secret_access_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What stays the same from one `up` to the next."""

    account_id: str = "000000000001"
    twilio_account_sid: str = field(default_factory=lambda: f"AC{secrets.token_hex(16)}")
    twilio_auth_token: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)
    keys: Keys = field(default_factory=Keys)
    port: int = 0
    pair_port: int = 0

    @classmethod
    def of(cls, state: EnvironmentState | None) -> Identity:
        if state is None:
            return cls()
        return cls(
            account_id=state.account_id,
            twilio_account_sid=state.twilio_account_sid,
            twilio_auth_token=state.twilio_auth_token,
            keys=state.keys,
            port=urlsplit(state.endpoint_url).port or 0,
            pair_port=(urlsplit(state.sides[-1].endpoint_url).port or 0) if state.sides else 0,
        )


def make_home(home: Path) -> None:
    """Make it if it is not there. Raises SettingsInvalid."""
    try:
        private_folder(home)
    except OSError as exc:
        raise SettingsInvalid(
            f"{home} cannot be the local environment's folder: {exc.strerror}",
            hint="name another one with B2BPILOT_HOME",
        ) from exc


def forget(home: Path) -> None:
    """Delete rows, queues and stack; keep the lock, and the state for its port and its credentials."""
    for directory in ("emulator", "postgres", PAIR_FOLDER):
        if (home / directory).exists():
            shutil.rmtree(home / directory)
    for pattern in (f"{EVENTS}*", f"{STORE}*"):
        for file in home.glob(pattern):
            file.unlink()


def read_state(home: Path) -> EnvironmentState | None:
    """Return the last state, or None when there is none that this version can read."""
    try:
        document = json.loads((home / STATE_FILE).read_text())
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("schema_version") != SCHEMA_VERSION:
        return None
    named = [{**one, "functions": tuple(one["functions"])} for one in document.pop("subscribers", ())]
    sides = tuple(LocalSide(**one) for one in document.pop("sides", ()))
    subscribers = tuple(LocalSubscriber(**one) for one in named)
    return EnvironmentState(**document, subscribers=subscribers, sides=sides)


def write_state(home: Path, state: EnvironmentState) -> None:
    """Replace the file in one step; only its owner can read it."""
    temporary = home / f"{STATE_FILE}.{os.getpid()}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(dataclasses.asdict(state), file, indent=2)
    temporary.replace(home / STATE_FILE)
