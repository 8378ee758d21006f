"""Commands that mend: made of a check's template, so that they can be copied and hit the right account and region."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields

from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.world import World

PROGRAM = re.compile(r"(?P<before>^|&& |; |\$\()(?P<name>aws|b2bpilot) ")
UNFILLED = re.compile(r"\{\w+\}")
LOCAL = "local"
"""The environment that says by itself where it is."""


def command(template: str, world: World) -> str | None:
    """Return the command with the stack's names, region and profile in it; None for an empty template, or for one whose
    names are not known.

    `{name}` stands for an output of the stack, and `{environment}` is known without one. A brace that is meant is doubled.
    """
    if not template:
        return None
    filled = _filled(template, world)
    if UNFILLED.search(filled):
        return None
    return PROGRAM.sub(lambda found: f"{found[0]}{_options(world, found['name'])}", filled)


def _options(world: World, program: str) -> str:
    """The global options without which the command could reach another place than we looked at."""
    if program == "b2bpilot" and world.name == LOCAL:
        return ""
    access = world.access
    given = {"--region": access.region, "--profile": access.profile, "--endpoint-url": access.endpoint_url}
    return "".join(f"{name} {shlex.quote(value)} " for name, value in given.items() if value)


def _filled(template: str, world: World) -> str:
    try:
        stack = world.stack
    except PilotError:
        return template.replace("{environment}", world.name)
    return template.format(**{field.name: getattr(stack, field.name) for field in fields(stack)})
