"""The values that an option or an argument may have, where they are known without asking anybody else.

Typer asks with the context and what is typed of the value, and drops what does not begin with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from b2bpilot.cli.frame import remembered
from b2bpilot.cli.frame.settings import LOCAL, Color, Format, candidates, config_files, user_config

if TYPE_CHECKING:
    from b2bpilot.cli.frame.context import Pilot

VARIABLE = "_B2BPILOT_COMPLETE"
"""What a shell sets when it asks."""
Known = Sequence[str | tuple[str, str]]
MOST_RUNS = 100
ONLY_OF = {"restore": ("-discard-", "-edit-"), "rollback": ("-cutover-",)}
"""Commands that take only some runs, by what stands in their ids."""


def environments(ctx: typer.Context) -> Known:
    """The one of this machine, those that settings name, and the stacks that were found before."""
    pilot = _pilot(ctx)
    named = {
        one.value: one.place for one in candidates({}, pilot.environ, config_files(pilot.environ))["env"]
    }
    found = {LOCAL: "the local environment", **named, **remembered.environments(pilot.runs_home)}
    return list(found.items())


def formats(ctx: typer.Context) -> Known:
    return [*Format, *getattr(ctx.command, "views", ())]


def colors(_: typer.Context) -> Known:
    return list(Color)


def codes(_: typer.Context) -> Known:
    from b2bpilot.ops.verify.codes import codes

    return list(codes().items())


def checks(ctx: typer.Context) -> Known:
    """Categories, and then codes."""
    from b2bpilot.ops.verify.codes import categories

    return [*((name, "all checks of this category") for name in categories()), *codes(ctx)]


def functions(_: typer.Context) -> Known:
    return ["webhook", "processor", "express", "stale", "redriver"]


def fixtures(ctx: typer.Context) -> Known:
    from b2bpilot.ops.publish.fixtures import own_names
    from b2bpilot.twilio.samples import Sample

    own = own_names(user_config(_pilot(ctx).environ) / "fixtures")
    return [*((name, "one you saved") for name in own), *Sample]


def runs(ctx: typer.Context) -> Known:
    """The newest first; where only those of one command will do, only those."""
    from b2bpilot.ops.runs.runs import journals

    parts = ONLY_OF.get(ctx.info_name or "", ("",))
    names = (path.stem for path in journals(_pilot(ctx).runs_home))
    return [name for name in names if any(part in name for part in parts)][:MOST_RUNS]


def groups(ctx: typer.Context) -> Known:
    """What `dlq list` showed last of this environment."""
    pilot = _pilot(ctx)
    environment = pilot.given.get("env") or pilot.settings.environment
    queue = remembered.queue_name(str(environment), pilot.subscriber)
    return list(remembered.groups(pilot.runs_home, queue).items())


def subscribers(ctx: typer.Context) -> Known:
    """Those that an earlier command found, and the one that every environment has."""
    return [("processor", "this environment's"), *other_subscribers(ctx)]


def other_subscribers(ctx: typer.Context) -> Known:
    pilot = _pilot(ctx)
    environment = pilot.given.get("env") or pilot.settings.environment
    return list(remembered.subscribers(pilot.runs_home, str(environment)).items())


def _pilot(ctx: typer.Context) -> Pilot:
    found: Pilot = ctx.obj
    return found


def profiles(ctx: typer.Context) -> Known:
    """Those of the files that AWS's tools read."""
    import configparser

    environ = _pilot(ctx).environ
    found: set[str] = set()
    for variable, usual in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "credentials")):
        parser = configparser.RawConfigParser(strict=False)
        parser.read(Path(environ.get(variable) or f"~/.aws/{usual}").expanduser(), encoding="utf-8")
        found |= {name.removeprefix("profile ") for name in parser.sections()}
    return sorted(name for name in found if not name.startswith(("sso-session ", "services ")))


def directly(values: Callable[[typer.Context], Known]) -> Callable[..., Known]:
    """For a parameter that is made without Typer, which asks with all that it has."""
    return lambda ctx, _words, _incomplete: values(ctx)


OF_SETTINGS: dict[str, Callable[[typer.Context], Known]] = {
    "env": environments,
    "profile": profiles,
    "output": formats,
    "color": colors,
}
"""By the names of the global options."""
