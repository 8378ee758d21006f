"""A running local environment. Its home directory holds everything that outlives it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import LocalAws
from b2bpilot.local.emulator_process import EmulatorProcess
from b2bpilot.local.functions import Served
from b2bpilot.local.lock import HomeLock
from b2bpilot.local.parent_watch import sigterm_interrupts
from b2bpilot.local.postgres import Postgres
from b2bpilot.local.readiness import wait_until_settled
from b2bpilot.local.region import LocalRegion, begin_regions
from b2bpilot.local.release import Release
from b2bpilot.local.runtime.service import TIME_SCALE
from b2bpilot.local.shell import only_what_is_kept
from b2bpilot.local.stack import ENVIRONMENT, STACK_NAME, Stack
from b2bpilot.local.state import (
    EnvironmentState,
    Identity,
    LocalSubscriber,
    forget,
    make_home,
    read_state,
    write_state,
)
from b2bpilot.local.subscribers.folder import SubscriberFolder
from b2bpilot.local.subscribers.stacks import delete_others, deploy_subscriber
from b2bpilot.local.timing import lease_variable
from b2bpilot.local.twilio.account import twilio_double
from b2bpilot.local.twilio.server import TwilioDouble
from b2bpilot.ops import migrations

PAIR_REPLY = "Thank you"
"""A pair replies, so that a drill can count the replies."""

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """Where what the functions talk to is, whatever the functions were told."""

    database_url: str
    aws_endpoint_url: str
    twilio_api_url: str

    @classmethod
    def of(cls, postgres: Postgres, aws: LocalAws, double: TwilioDouble) -> Self:
        return cls(database_url=postgres.url, aws_endpoint_url=aws.endpoint_url, twilio_api_url=double.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEnvironment:
    """A running environment, seen from the process that runs it."""

    state: EnvironmentState
    stack: Stack
    regions: Sequence[LocalRegion]
    twilio: TwilioDouble
    aws: LocalAws
    parameters: Mapping[str, str] = field(repr=False)

    def deploy(self, template: Path, **parameters: str) -> Stack:
        """Update the stack to another template, with the parameters that it has and these, and wait until that is done; of a
        pair, both. Returns the primary's."""
        given = {**self.parameters, **parameters}
        stacks = [region.deploy(template, given) for region in self.regions]
        for region, stack in zip(self.regions, stacks, strict=True):
            wait_until_settled(region.aws, stack)
        return stacks[0]

    def serve(self) -> None:
        """Return at Ctrl-C or SIGTERM; raise when an emulator ends by itself."""
        ended = threading.Event()
        for region in self.regions:
            threading.Thread(target=_tell, args=(region.emulator, ended), daemon=True).start()
        try:
            ended.wait()
        except KeyboardInterrupt:
            return
        raise LocalEnvironmentError(
            "the AWS emulator ended unexpectedly", hint="see emulator/log in the home directory"
        )


def _tell(emulator: EmulatorProcess, ended: threading.Event) -> None:
    emulator.wait()
    ended.set()


@contextmanager
def running(
    home: Path,
    *,
    fresh: bool = False,
    time_scale: float = TIME_SCALE,
    reply_text: str | None = None,
    parameters: Mapping[str, str] | None = None,
    variables: Mapping[str, str] | None = None,
    release: Release | None = None,
    handlers: Collection[str] = (),
    subscribers: Sequence[SubscriberFolder] = (),
    pair: bool = False,
    progress: Progress = lambda _: None,
    meet: Callable[[Neighbours], None] = lambda _: None,
) -> Iterator[LocalEnvironment]:
    """Start everything, wait until it is ready, and end it with the block. Raises LocalEnvironmentError when one already
    runs in this home.

    `parameters` of the template and `variables` of the functions win over ours: with them a test puts a proxy between
    the functions and the database, AWS or Twilio. `handlers` may be run beside the template's, and `subscribers` are
    deployed beside it; those of an earlier start that are not among them are deleted. A `pair` has a second region, with the
    same database and the same Twilio.
    `meet` is told where these are before the first function runs.

    Meant for the main thread: until the block ends, SIGTERM is a KeyboardInterrupt as Ctrl-C is.
    """
    home = home.expanduser().resolve()
    make_home(home)
    release = release or Release()
    with ExitStack() as cleanup:
        lock = _take(cleanup, home)
        identity = _identity(home, fresh=fresh)
        progress("starting AWS (ministack) and PostgreSQL")
        regions = begin_regions(cleanup, home, identity, lock, is_pair=pair, time_scale=time_scale)
        postgres = _postgres(cleanup, home, lock)
        release.migrate(postgres.url)
        for region in regions:
            region.emulator.wait_until_ready()
        progress("deploying template.yaml")
        reply_text = reply_text or (PAIR_REPLY if pair else None)
        given = _parameters(identity, postgres, reply_text) | dict(parameters or {})
        stacks = [region.deploy(release.template, given) for region in regions]
        deployed = [_subscribers(region.aws, postgres, subscribers, progress) for region in regions]
        double = cleanup.enter_context(twilio_double(home, identity, *(each.webhook_url for each in regions)))
        meet(Neighbours.of(postgres, regions[0].aws, double))
        served = Served(
            load=release.load,
            handlers={*release.handlers, *handlers},
            replies=bool(reply_text),
            variables=_variables(double, time_scale) | dict(variables or {}),
            folders=_folders(subscribers, deployed[0]),
        )
        _serve(cleanup, regions, stacks, served, lock, time_scale=time_scale)
        state = _state(identity, regions, postgres, deployed[0], twilio_api_url=double.url)
        write_state(home, state)
        progress(f"ready: {state.webhook_url}")
        yield LocalEnvironment(
            state=state, stack=stacks[0], regions=regions, twilio=double, aws=regions[0].aws, parameters=given
        )


def _serve(
    cleanup: ExitStack,
    regions: Sequence[LocalRegion],
    stacks: Sequence[Stack],
    served: Served,
    lock: HomeLock,
    *,
    time_scale: float,
) -> None:
    """Begin in all regions, then wait for each."""
    found = list(zip(regions, stacks, strict=True))
    answering = [region.serve(cleanup, stack, served, lock, time_scale=time_scale) for region, stack in found]
    for (region, stack), wait_until_ready in zip(found, answering, strict=True):
        wait_until_ready()
        wait_until_settled(region.aws, stack, functions=served.folders)


def _subscribers(
    aws: LocalAws, postgres: Postgres, folders: Sequence[SubscriberFolder], progress: Progress
) -> list[LocalSubscriber]:
    for name in delete_others(aws, folders):
        progress(f"deleted the subscriber {name}, which was not named this time")
    deployed = []
    for folder in folders:
        progress(f"deploying the subscriber {folder.name}")
        database_url = postgres.database(f"subscriber-{folder.name}")
        migrations.apply(database_url, table=migrations.DELIVERIES)
        deployed.append(deploy_subscriber(aws, folder, database_url))
    return deployed


def _folders(
    folders: Iterable[SubscriberFolder], deployed: Iterable[LocalSubscriber]
) -> dict[str, SubscriberFolder]:
    found = zip(folders, deployed, strict=True)
    return {function: folder for folder, one in found for function in one.functions}


def _identity(home: Path, *, fresh: bool) -> Identity:
    """The same as before, unless it is to begin anew."""
    if fresh:
        forget(home)
    return Identity.of(read_state(home))


def _take(cleanup: ExitStack, home: Path) -> HomeLock:
    """Let nobody else run here, and no signal or variable of the shell's reach what runs, until the block ends."""
    cleanup.enter_context(sigterm_interrupts())
    lock = HomeLock(home)
    cleanup.callback(lock.close)
    lock.acquire()
    cleanup.enter_context(only_what_is_kept())
    return lock


def _variables(double: TwilioDouble, time_scale: float) -> dict[str, str]:
    """What the functions are told beside the template's own."""
    return {"TWILIO_API_URL": double.url, **lease_variable(time_scale)}


def _postgres(cleanup: ExitStack, home: Path, lock: HomeLock) -> Postgres:
    postgres = Postgres(home / "postgres", lock=lock.fileno())
    cleanup.callback(postgres.stop)
    postgres.start()
    return postgres


def _parameters(identity: Identity, postgres: Postgres, reply_text: str | None) -> dict[str, str]:
    """What both regions of a pair have alike."""
    return {
        "Environment": ENVIRONMENT,
        "TwilioAccountSid": identity.twilio_account_sid,
        "TwilioAuthToken": identity.twilio_auth_token,
        "DatabaseUrl": postgres.url,
        **({"ReplyText": reply_text} if reply_text else {}),
    }


def _state(
    identity: Identity,
    regions: Sequence[LocalRegion],
    postgres: Postgres,
    subscribers: Sequence[LocalSubscriber],
    *,
    twilio_api_url: str,
) -> EnvironmentState:
    primary = regions[0]
    return EnvironmentState(
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        account_id=identity.account_id,
        region=primary.name,
        stack_name=STACK_NAME,
        endpoint_url=primary.aws.endpoint_url,
        webhook_url=primary.webhook_url,
        database_url=postgres.url,
        runtime_url=primary.server.url,
        twilio_account_sid=identity.twilio_account_sid,
        twilio_auth_token=identity.twilio_auth_token,
        emulator_pid=primary.emulator.pid,
        postgres_pid=postgres.pid,
        twilio_api_url=twilio_api_url,
        access_key_id=identity.keys.access_key_id,
        secret_access_key=identity.keys.secret_access_key,
        subscribers=tuple(subscribers),
        sides=tuple(region.side for region in regions) if primary.pair else (),
    )
