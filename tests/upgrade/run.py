"""One run: an environment of the old version, the upgrade in it, and the books at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

import psycopg

from b2bpilot.local.environment import running
from b2bpilot.local.release import Release
from tests.upgrade.books import Books, balance
from tests.upgrade.functions import Functions
from tests.upgrade.messages import Drawing
from tests.upgrade.permissions import Permissions
from tests.upgrade.table import Table, events_of_lambda, look, wait_until
from tests.upgrade.traffic import Traffic
from tests.upgrade.upgrade import PHASES, Upgrade
from tests.upgrade.version import Version, migrate, migrations

IDLE_SECONDS = 60
REPLY = "Thank you, we are on it."
LEFT_ROWS_BEGIN = 5_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """`seconds` of traffic at least: a phase lasts an equal part of them, and until what it was sent is settled."""

    seed: int
    seconds: float = 60
    rate: float = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """`runs`: how often a version's function ran. `migrations`: the files that only the new version has."""

    options: Options
    old: str
    new: str
    migrations: tuple[str, ...]
    books: Books
    incidents: tuple[str, ...]
    runs: Mapping[tuple[str, str], int]
    title: str = ""
    way: str = ""
    """What was done, where it was no upgrade, and the arguments that ask for it."""

    @property
    def faults(self) -> list[str]:
        return [*self.incidents, *self.books.faults]


def run(old: Version, new: Version, options: Options, *, progress: Callable[[str], None]) -> Summary:
    """Start, upgrade, go back, upgrade again, and count."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="b2bpilot-upgrade-")))
        functions = Functions(folder, first=old)
        cleanup.callback(functions.close)
        release = Release(
            template=old.template, migrate=partial(migrate, old, home=folder), load=functions.load
        )
        environment = cleanup.enter_context(
            running(folder / "home", reply_text=REPLY, release=release, progress=progress)
        )
        connection = cleanup.enter_context(psycopg.connect(environment.state.database_url, autocommit=True))
        is_idle = cleanup.enter_context(events_of_lambda(folder / "home"))
        functions.permissions = permissions = Permissions(environment.aws)
        table = Table(connection, Drawing(Random(f"{options.seed} left"), first_number=LEFT_ROWS_BEGIN))
        phase_seconds = options.seconds / PHASES
        traffic = Traffic(
            environment.state.webhook_url,
            environment.state.twilio_auth_token,
            rate=options.rate,
            drawing=Drawing(Random(f"{options.seed} traffic")),
            phase_seconds=phase_seconds,
        )
        upgrade = Upgrade(
            environment=environment,
            old=old,
            new=new,
            functions=functions,
            traffic=traffic,
            table=table,
            phase_seconds=phase_seconds,
            home=folder,
            random=Random(f"{options.seed} order"),
            is_idle=is_idle,
            progress=progress,
            permissions=permissions,
        )
        upgrade.run()
        wait_until(is_idle, seconds=IDLE_SECONDS)
        return Summary(
            options=options,
            old=old.name,
            new=new.name,
            migrations=tuple(sorted(migrations(new) - migrations(old))),
            books=balance(upgrade.messages, look(environment, table)),
            incidents=(*upgrade.incidents, *dict.fromkeys(functions.denials)),
            runs=dict(functions.runs),
        )
