"""`b2bpilot deploy`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from b2bpilot import resources
from b2bpilot.advice import our_command
from b2bpilot.cli.deploy import deploy_view
from b2bpilot.cli.deploy.asking import asked
from b2bpilot.cli.frame.context import Pilot, pilot_of
from b2bpilot.cli.frame.options import Yes
from b2bpilot.cli.frame.settings import LOCAL
from b2bpilot.errors import PartlyFailed, PilotError, SettingsInvalid, UsageError
from b2bpilot.paths import why

if TYPE_CHECKING:
    from b2bpilot.ops.deploy.checkout import Checkout
    from b2bpilot.ops.deploy.plan import DeployPlan
    from b2bpilot.ops.deploy.sam import Sam


def deploy(
    ctx: typer.Context,
    *,
    architecture: Annotated[
        str | None,
        typer.Option(
            help="arm64 or x86_64, for the build and for Lambda.  [default: what the stack has, else arm64]",
            metavar="NAME",
            autocompletion=lambda: ["arm64", "x86_64"],
        ),
    ] = None,
    parameters: Annotated[
        str | None,
        typer.Option(
            help="Parameters of the template, one `Name: value` per line; - reads stdin.",
            metavar="FILE",
        ),
    ] = None,
    no_build: Annotated[
        bool, typer.Option("--no-build", help="Deploy the last output of `sam build`, if it fits.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Build the functions of this checkout and deploy them, both for the same architecture.

    Shows the account, the region and the caller first. Asks for parameters that have no value yet.

    Example: b2bpilot deploy -e dev --architecture arm64 --parameters dev.yaml
    """
    pilot = pilot_of(ctx)
    if pilot.environment_name == LOCAL:
        raise UsageError(
            "the local environment is not deployed", hint=our_command("local", "up") + " updates it"
        )
    from b2bpilot.ops.deploy.checkout import Checkout
    from b2bpilot.ops.deploy.plan import plan
    from b2bpilot.ops.deploy.rules import require as require_rules
    from b2bpilot.ops.deploy.sam import Sam, sam_program

    checkout = Checkout.at(resources.PACKAGE.parent)
    sam = Sam(
        program=sam_program(),
        checkout=checkout,
        environ=pilot.environ,
        profile=pilot.settings.profile,
        endpoint_url=pilot.settings.endpoint_url,
    )
    given = _given(checkout, parameters)
    found = plan(checkout, pilot.environment_name, pilot.access, architecture=architecture, given=given)
    for line in deploy_view.described(found):
        pilot.output.notice(line)
    if found.missing:
        found = found.with_values(asked(pilot, found.missing, is_read=parameters == "-"))
    require_rules(checkout.template, found.all_values, region=found.caller.region)
    pilot.confirmation(yes=yes).ask([], "Continue?")
    _deploy(pilot, sam, found, builds=not no_build, asks=not yes)


def _given(checkout: Checkout, file: str | None) -> Mapping[str, str]:
    from b2bpilot.ops.deploy.parameters import given, parameters

    if file is None:
        return {}
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise SettingsInvalid(f"{file} cannot be read: {why(exc)}") from exc
    return given(text, parameters(checkout.template), origin="stdin" if file == "-" else file)


def _deploy(pilot: Pilot, sam: Sam, found: DeployPlan, *, builds: bool, asks: bool) -> None:
    from b2bpilot.ops.deploy.left_queue import take_in

    if builds:
        sam.build(found)
    sam.checkout.require_built_for(found.architecture)
    if found.left:
        take_in(pilot.access, found.left)
        pilot.output.notice(f"Stack {found.stack_name} has the queue {found.left.name} now.")
    try:
        sam.deploy(found, asks=asks)
    except PilotError as exc:
        if not found.left:
            raise
        raise PartlyFailed(
            f"{exc}. Stack {found.stack_name} has the queue {found.left.name} and nothing else",
            hint="its dead letters are unchanged: fix what sam reported, and deploy again",
        ) from exc
    pilot.output.record(deploy_view.fields(found), text=deploy_view.done(found))
