"""What a command is given: the settings, the output, and the environment, asked for at first use."""

from __future__ import annotations

import contextlib
import copy
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.advice import our_command
from b2bpilot.cli.frame import remembered
from b2bpilot.cli.frame.confirm import Confirmation
from b2bpilot.cli.frame.settings import LOCAL, Format, GlobalSettings, config_files, resolve, state_home
from b2bpilot.cli.frame.skew import Skews
from b2bpilot.cli.output import Output
from b2bpilot.cli.text.privacy import passwords_in
from b2bpilot.errors import LocalEnvironmentError, PilotError, SettingsInvalid, UsageError
from b2bpilot.paths import absolute
from b2bpilot.pipeline.clock import HostClock, Machine, machine_time

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess
    from b2bpilot.aws.stack import StackOutputs
    from b2bpilot.ops.environment import Environment
    from b2bpilot.ops.recipient import Recipient
    from b2bpilot.ops.subscribers.discovery import Subscriber
    from b2bpilot.ops.table.asked import AskedTable
    from b2bpilot.ops.table.database_proof import DatabaseProof, Given
    from b2bpilot.pipeline.database import DatabaseManager


@dataclass
class Pilot:
    """One run of the program. `given` holds the global options as they were read, wherever they stood."""

    environ: Mapping[str, str]
    output: Output
    given: dict[str, str | bool] = field(default_factory=dict)
    views: tuple[str, ...] = ()
    """Forms of the output that only this command has."""
    subscriber: str | None = None
    """Whose dead letters the command is about, as it was asked for; None: the processor's."""
    subscriber_said_as: str = "--subscriber"
    """Where that was said, for a message that nobody is called so."""
    run_id: str | None = None
    """The run that this command has begun, or gone on with."""
    machine: Machine = machine_time
    """This machine's time: for its own files. What another host dates is compared with `now` and `rows_now`."""

    def __post_init__(self) -> None:
        """What the shell said stays said: a local environment in this process takes its variables away."""
        self.environ = dict(self.environ)

    def give(self, name: str, value: str | bool) -> None:
        """Take an option. A query is read at once: some commands open a journal before they ask for settings.

        Raises UsageError.
        """
        self.given[name] = value
        if name == "query":
            from b2bpilot.cli.output.query import OutputQuery

            self.output.query = OutputQuery.parse(str(value))

    @cached_property
    def settings(self) -> GlobalSettings:
        """Raises SettingsInvalid."""
        return self._taken(self.resolve({}))

    def _taken(self, resolved: GlobalSettings) -> GlobalSettings:
        settings = self._queried(resolved)
        self.output.format, self.output.color = settings.output, settings.color
        self.output.place = replace(settings.place, subscriber=self.subscriber)
        self._keep_secret(settings.database_url)
        return settings

    def settings_refused(self) -> SettingsInvalid | None:
        """Return why the settings cannot be used, None when they can. Then those of the line's options are taken.

        Raises SettingsInvalid for an option.
        """
        try:
            _ = self.settings
        except SettingsInvalid as exc:
            self.settings = self._taken(resolve(self.given, {}, [], views=self.views))
            return exc
        return None

    def resolve(self, more: Mapping[str, str | bool]) -> GlobalSettings:
        """Return the settings with `more` options. Raises SettingsInvalid."""
        files = config_files(self.environ)
        return resolve({**self.given, **more}, self.environ, files, views=self.views)

    def _queried(self, settings: GlobalSettings) -> GlobalSettings:
        """A query is about JSON, as with the AWS CLI, whose default it is. Raises UsageError."""
        if settings.query is None:
            return settings
        if settings.view or (settings.output is Format.TABLE and "output" in self.given):
            self.output.query = None
            raise UsageError(
                f"--query cannot be used with -o {settings.view or settings.output}",
                hint="leave -o out for JSON, or take -o jsonl for each row by itself",
            )
        return replace(settings, output=Format.JSON) if settings.output is Format.TABLE else settings

    @cached_property
    def environment(self) -> Environment:
        """Raises UsageError when none was named, EnvironmentUnknown, AwsError."""
        from b2bpilot.ops import environment

        found = environment.discover(self.environment_name, self.access)
        self.remember(found.stack)
        self.tell(f"{found.stack.stack_name} in account {found.stack.account_id}, {found.stack.region}")
        self.skews.tell_machine(self.clock)
        return self._of_subscriber(found, self.subscriber) if self.subscriber else found

    def _of_subscriber(self, environment: Environment, named: str) -> Environment:
        from b2bpilot.ops.subscribers.discovery import recipient_of

        one = self.subscriber_named(environment, named, said_as=self.subscriber_said_as)
        recipient = recipient_of(environment, one)
        self.output.place = replace(self.output.place, subscriber=recipient.name)
        return environment if recipient.is_processor else environment.of(recipient)

    def subscriber_named(
        self, environment: Environment, named: str, *, said_as: str = "--subscriber"
    ) -> Subscriber:
        """Return the subscriber, and let completion offer those that there are. Raises UsageError, AwsError."""
        from b2bpilot.ops.subscribers.discovery import subscriber_named
        from b2bpilot.ops.subscribers.naming import endpoints_of_others

        self.remember_subscribers(endpoints_of_others(environment.subscribers.listed(), environment))
        return subscriber_named(environment, named, said_as=said_as)

    def about(self, recipient: Recipient | None) -> Pilot:
        """Return this Pilot for the dead letters of one subscriber, None is the processor; what it prints from now on is of
        that subscriber, too."""
        one = copy.copy(self)
        one.subscriber = recipient.name if recipient else None
        one.environment = self.environment.of(recipient) if recipient else self.environment
        self.output.place = replace(self.output.place, subscriber=one.subscriber)
        return one

    def of_side(self, environment: Environment) -> Pilot:
        """Return this Pilot for the other side of a pair; what it prints from now on leads there."""
        one = copy.copy(self)
        for known in ("secret_s_database_url", "given_database"):
            vars(one).pop(known, None)
        one.access, one.environment = environment.access, environment
        self.output.place = replace(self.output.place, region=environment.stack.region, is_other_side=True)
        return one

    def remember(self, stack: StackOutputs) -> None:
        """Let completion offer this environment from now on."""
        if self.environment_name == LOCAL:
            return
        where = f"account {stack.account_id}, {stack.region}"
        with contextlib.suppress(SettingsInvalid):  # no home, no completion
            remembered.remember_environment(self.runs_home, self.environment_name, where)

    def remember_subscribers(self, found: Mapping[str, str]) -> None:
        """Let completion offer these subscribers, each with its endpoint."""
        with contextlib.suppress(SettingsInvalid):
            remembered.remember_subscribers(self.runs_home, self.environment_name, found)

    @property
    def knows_others(self) -> bool:
        """Whether an earlier command found subscribers beside the processor."""
        with contextlib.suppress(SettingsInvalid):
            return bool(remembered.subscribers(self.runs_home, self.environment_name))
        return False

    def remember_groups(self, found: Mapping[str, str]) -> None:
        """Let completion offer these groups of dead letters."""
        with contextlib.suppress(SettingsInvalid):
            place = remembered.queue_name(self.environment_name, self.subscriber)
            remembered.remember_groups(self.runs_home, place, found)

    def remember_causes(self, queue_url: str, causes: Mapping[str, str]) -> None:
        """Let a command that acts on a group know what it was when it was shown."""
        with contextlib.suppress(SettingsInvalid):
            at = f"{self.now():%Y-%m-%d %H:%M:%S} UTC"
            remembered.remember_causes(self.runs_home, queue_url, causes, at=at)

    @property
    def environment_name(self) -> str:
        """Raises UsageError when none was named."""
        if name := self.settings.environment:
            return name
        hint = 'name it with --env NAME, B2BPILOT_ENV, or env = "NAME" in b2bpilot.toml'
        raise UsageError("no environment was named", hint=f"{self._told_of_the_local_one()}{hint}")

    def _told_of_the_local_one(self) -> str:
        """What runs on this machine is most likely meant by who names nothing."""
        try:
            from b2bpilot.local import control

            is_there = control.running(self.local_home) is not None
        except (ImportError, PilotError):
            return ""
        return "the local environment is running: add -e local; else " if is_there else ""

    @cached_property
    def access(self) -> AwsAccess:
        """How to reach the environment's account. Raises UsageError, LocalEnvironmentError."""
        return self._access(self.environment_name)

    @property
    def database_url(self) -> str:
        return self.given_database.url

    @cached_property
    def given_database(self) -> Given:
        """The named one, else the environment's; the shell's DATABASE_URL only where no environment is named: it
        may be another project's."""
        from b2bpilot.ops.table.database_proof import OF_THE_STACK, Given

        settings = self.settings
        url, origin = settings.database_url, settings.database_url_from or ""
        if url is None and settings.environment is None:
            url, origin = self.environ.get("DATABASE_URL"), "DATABASE_URL"
        if not url and settings.environment is None:
            raise UsageError(
                "no environment and no database were named",
                hint=f"{self._told_of_the_local_one()}--env NAME (or B2BPILOT_ENV), "
                "or --database-url URL (or B2BPILOT_DATABASE_URL)",
            )
        if not url:
            return Given(url=self.secret_s_database_url, origin=OF_THE_STACK, is_secret_s=True)
        self._keep_secret(url)
        return Given(url=url, origin=origin, is_secret_s=False)

    @cached_property
    def secret_s_database_url(self) -> str:
        return self._renewed_database_url()

    def database(self) -> DatabaseManager:
        """The table without a word on whose it is: for commands that claim nothing of messages. `word_on` gives it to people."""
        from b2bpilot.pipeline.database import DatabaseManager

        renewed = self._renewed_database_url if self.given_database.is_secret_s else None
        return DatabaseManager(self.database_url, application_name="b2bpilot/cli", renewed=renewed)

    def _renewed_database_url(self) -> str:
        """Read the secret again: a command that goes on for hours may outlive a password."""
        from b2bpilot.ops import environment

        url = environment.database_url(self.environment)
        self._keep_secret(url)
        return url

    def table(self) -> AskedTable:
        """The table as commands ask it that judge messages by it: it knows whether it is proven to be the processor's."""
        from b2bpilot.ops.table.asked import AskedTable
        from b2bpilot.ops.table.database_proof import nothing_to_ask

        if self.subscriber and (name := self.environment.subscriber):
            return AskedTable(self.database, self._proof, proof=nothing_to_ask(name), clock=self.now)
        return AskedTable(self.database, self._proof)

    def word_on(self, database: DatabaseManager) -> DatabaseProof:
        """Whether what a list shows is the processor's; that nobody could be asked is an answer, too."""
        from b2bpilot.ops.table.database_proof import unproven

        try:
            return self._proof(database)
        except PilotError as exc:
            return unproven(self.given_database, f"it could not be checked ({exc})")

    def _proof(self, database: DatabaseManager) -> DatabaseProof:
        from b2bpilot.ops.table.database_proof import unproven
        from b2bpilot.ops.table.processor_log import prove_for

        given = self.given_database
        if self.settings.environment is None:
            return unproven(given, "no environment was named whose processor could write it")
        return prove_for(
            self.environment, database, given, secret=lambda: self.secret_s_database_url, now=self.now()
        )

    def confirmation(self, *, yes: bool) -> Confirmation:
        return Confirmation(stdin=sys.stdin, output=self.output, yes=yes)

    def tell(self, text: str) -> None:
        """Say it with --verbose only."""
        if self.settings.verbose:
            self.output.notice(text)

    @property
    def local_home(self) -> Path:
        return state_home(self.environ)

    @property
    def runs_home(self) -> Path:
        """The folder in which journals are kept, in `runs`."""
        chosen = self.environ.get("B2BPILOT_HOME")
        return absolute(chosen) if chosen else self.local_home.parent

    @cached_property
    def clock(self) -> HostClock:
        """AWS's, which hears every answer."""
        from b2bpilot.aws.clock import AWS

        return HostClock(AWS, machine=self.machine)

    @cached_property
    def skews(self) -> Skews:
        return Skews(self.output)

    def now(self) -> datetime:
        """AWS's time. The environment's outputs, which every command asks for, bring it; without an environment it is
        this machine's. Raises what `environment` does."""
        if self.settings.environment is not None:
            _ = self.environment
        return self.clock.now()

    def rows_now(self, database: DatabaseManager) -> datetime:
        """The database's time, which its rows are dated with. Raises DatabaseError."""
        clock = HostClock("the database", machine=self.machine)
        asked_at = self.machine()
        clock.tell(database.now(), asked_at=asked_at)
        self.skews.tell_host(clock, of=self.clock)
        return clock.now()

    def _access(self, name: str) -> AwsAccess:
        from b2bpilot.aws.session import AwsAccess

        settings = self.settings
        if name == LOCAL:
            return self._local_access()
        return AwsAccess(
            region=settings.region,
            profile=settings.profile,
            endpoint_url=settings.endpoint_url,
            clock=self.clock,
        )

    def _local_access(self) -> AwsAccess:
        """The local environment's own settings, whatever the shell has; --endpoint-url names another way to it."""
        from b2bpilot.aws.session import AwsAccess
        from b2bpilot.local import packages

        with packages.said_when_missing():
            from b2bpilot.local import control
        sides = {} if self.settings.endpoint_url else control.endpoints(self.local_home)
        refused = {"profile"} if len(sides) > 1 else {"region", "profile"}
        if conflicting := sorted(refused & self.given.keys()):
            raise UsageError(
                f"--{conflicting[0]} cannot be used with the local environment", hint="leave it out"
            )
        found = control.export(self.local_home, endpoint_url=self.settings.endpoint_url)
        if found is None:
            raise LocalEnvironmentError(
                "the local environment is not running", hint="start it with " + our_command("local", "up")
            )
        primary = AwsAccess(
            region=found["AWS_REGION"],
            endpoint_url=found["AWS_ENDPOINT_URL"],
            access_key_id=found["AWS_ACCESS_KEY_ID"],
            secret_access_key=found["AWS_SECRET_ACCESS_KEY"],
            is_told_all=True,
            clock=self.clock,
            elsewhere=sides,
        )
        return primary.in_region(_side(self.settings.region, sides)) if self.settings.region else primary

    def _keep_secret(self, url: str | None) -> None:
        self.output.secrets += passwords_in(url or "")


def _side(region: str, sides: Mapping[str, str]) -> str:
    """Raises UsageError for a region in which the local pair is not."""
    if region not in sides:
        raise UsageError(f"the local environment is not in {region}", hint=f"it is in {' and '.join(sides)}")
    return region


def pilot_of(ctx: typer.Context) -> Pilot:
    """Return this run's Pilot with the settings resolved, so that a wrong one is refused before anything else."""
    pilot = ctx.obj
    assert isinstance(pilot, Pilot)  # noqa: S101  # nosec B101  # main() puts it there
    pilot.views = getattr(ctx.command, "views", ())
    _ = pilot.settings
    return pilot
