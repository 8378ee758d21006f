"""A running local environment. Its home directory holds everything that outlives it."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Self

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.clients import REGION, LocalAws
from b2bpilot.local.emulator_process import EmulatorProcess
from b2bpilot.local.functions import Served, serving
from b2bpilot.local.lock import HomeLock
from b2bpilot.local.postgres import Postgres
from b2bpilot.local.readiness import wait_until_settled
from b2bpilot.local.release import Release
from b2bpilot.local.runtime.code import only
from b2bpilot.local.runtime.server import RuntimeServer
from b2bpilot.local.runtime.service import TIME_SCALE
from b2bpilot.local.shell import only_what_is_kept
from b2bpilot.local.stack import ENVIRONMENT, STACK_NAME, Stack, deploy, webhook_url
from b2bpilot.local.state import (
    EVENTS,
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
    emulator: EmulatorProcess
    twilio: TwilioDouble
    aws: LocalAws
    parameters: Mapping[str, str] = field(repr=False)

    def deploy(self, template: Path) -> Stack:
        """Update the stack to another template, with the parameters that it has, and wait until that is done."""
        stack = deploy(self.aws, template, self.parameters)
        wait_until_settled(self.aws, stack)
        return stack

    def serve(self) -> None:
        """Return at Ctrl-C or SIGTERM; raise when the emulator ends by itself."""
        try:
            self.emulator.wait()
        except KeyboardInterrupt:
            return
        raise LocalEnvironmentError(
            "the AWS emulator ended unexpectedly", hint="see emulator/log in the home directory"
        )


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
    progress: Progress = lambda _: None,
    meet: Callable[[Neighbours], None] = lambda _: None,
) -> Iterator[LocalEnvironment]:
    """Start everything, wait until it is ready, and end it with the block. Raises LocalEnvironmentError when one already
    runs in this home.

    `parameters` of the template and `variables` of the functions win over ours: with them a test puts a proxy between
    the functions and the database, AWS or Twilio. `handlers` may be run beside the template's, and `subscribers` are
    deployed beside it; those of an earlier start that are not among them are deleted.
    `meet` is told where these are before the first function runs.

    Meant for the main thread: until the block ends, SIGTERM is a KeyboardInterrupt as Ctrl-C is.
    """
    home = home.expanduser().resolve()
    make_home(home)
    release = release or Release()
    with ExitStack() as cleanup:
        lock = _take(cleanup, home)
        identity = _identity(home, fresh=fresh)
        server = RuntimeServer()
        cleanup.callback(server.server_close)
        progress("starting AWS (ministack) and PostgreSQL")
        emulator, postgres = _processes(cleanup, home, identity, server, lock, time_scale=time_scale)
        release.migrate(postgres.url)
        emulator.wait_until_ready()
        progress("deploying template.yaml")
        aws = LocalAws(emulator.endpoint_url, identity.keys)
        given = _parameters(identity, aws, postgres, reply_text) | dict(parameters or {})
        stack = deploy(aws, release.template, given)
        deployed = _subscribers(aws, postgres, subscribers, progress)
        double = cleanup.enter_context(twilio_double(home, identity, webhook_url(aws.endpoint_url)))
        meet(Neighbours.of(postgres, aws, double))
        told = _variables(double, time_scale) | dict(variables or {})
        load = only(release.load, {*release.handlers, *handlers})
        served = Served(load=load, variables=told, folders=_folders(subscribers, deployed))
        cleanup.enter_context(serving(server, aws, stack, home / EVENTS, served, time_scale=time_scale))
        if reply_text:
            import_module("twilio.rest")  # it takes a second or two: longer than a lease on a fast clock
        wait_until_settled(aws, stack, functions=served.folders)
        state = _state(identity, aws, server, postgres, emulator, twilio_api_url=double.url)
        state = replace(state, subscribers=tuple(deployed))
        write_state(home, state)
        progress(f"ready: {state.webhook_url}")
        yield LocalEnvironment(
            state=state, stack=stack, emulator=emulator, twilio=double, aws=aws, parameters=given
        )


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


def _processes(
    cleanup: ExitStack,
    home: Path,
    identity: Identity,
    server: RuntimeServer,
    lock: HomeLock,
    *,
    time_scale: float,
) -> tuple[EmulatorProcess, Postgres]:
    """Start the emulator and PostgreSQL side by side; of these, PostgreSQL runs when this returns."""
    emulator = EmulatorProcess(
        home / "emulator",
        identity=identity,
        runtime_url=server.url,
        runtime_key=server.key,
        events=home / EVENTS,
        time_scale=time_scale,
        lock=lock.fileno(),
    )
    cleanup.callback(emulator.stop)
    postgres = Postgres(home / "postgres", lock=lock.fileno())
    cleanup.callback(postgres.stop)
    postgres.start()
    return emulator, postgres


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Let `kill` end things in order, as Ctrl-C does, also while they start."""
    previous = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def _parameters(
    identity: Identity, aws: LocalAws, postgres: Postgres, reply_text: str | None
) -> dict[str, str]:
    return {
        "Environment": ENVIRONMENT,
        "TwilioAccountSid": identity.twilio_account_sid,
        "TwilioAuthToken": identity.twilio_auth_token,
        "DatabaseUrl": postgres.url,
        "PublicWebhookUrl": webhook_url(aws.endpoint_url),
        **({"ReplyText": reply_text} if reply_text else {}),
    }


def _state(
    identity: Identity,
    aws: LocalAws,
    server: RuntimeServer,
    postgres: Postgres,
    emulator: EmulatorProcess,
    *,
    twilio_api_url: str,
) -> EnvironmentState:
    return EnvironmentState(
        pid=os.getpid(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        account_id=identity.account_id,
        region=REGION,
        stack_name=STACK_NAME,
        endpoint_url=aws.endpoint_url,
        webhook_url=webhook_url(aws.endpoint_url),
        database_url=postgres.url,
        runtime_url=server.url,
        twilio_account_sid=identity.twilio_account_sid,
        twilio_auth_token=identity.twilio_auth_token,
        emulator_pid=emulator.pid,
        postgres_pid=postgres.pid,
        twilio_api_url=twilio_api_url,
        access_key_id=identity.keys.access_key_id,
        secret_access_key=identity.keys.secret_access_key,
    )
