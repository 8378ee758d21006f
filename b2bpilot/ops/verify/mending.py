"""Commands that mend: made of a check's template, so that they can be copied and hit the right account and region."""

from __future__ import annotations

import re
from dataclasses import fields

from b2bpilot.aws import pasted
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.world import World

PROGRAM = re.compile(r"(?P<before>^|&& |; |\$\()(?P<name>aws|b2bpilot) ")
MIGRATES = re.compile(r"(\bb2bpilot (?:--\S+ \S+ )*)(migrate|submissions)\b")
SECRET_DATABASE = re.compile(r"\$\((?:\w+=\S+ )*aws [^|]* get-secret-value [^|]*\| python3 -c '[^']*'\)")
"""The shell's way to the database of the secret, as the checks of the database write it."""
GIVEN_DATABASE = "${B2BPILOT_DATABASE_URL:?}"
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
    whole = PROGRAM.sub(lambda found: f"{found['before']}{_program(world, found['name'])}", filled)
    return _of_given_database(whole) if world.given_database_url else whole


def _of_given_database(command: str) -> str:
    """The database that was looked at is not the one that the stack's secret names. Its URL holds a password: the shell
    has it in a variable, or stops there."""
    named = SECRET_DATABASE.sub(GIVEN_DATABASE, command)
    return MIGRATES.sub(lambda found: f'{found[1]}--database-url "{GIVEN_DATABASE}" {found[2]}', named)


def _program(world: World, name: str) -> str:
    """The program with what it needs to reach the place that we looked at."""
    if name == "aws":
        return f"{pasted.credentials(world.access)}aws {pasted.options(world.access)}"
    return f"{name} " if world.name == LOCAL else f"{name} {pasted.options(world.access)}"


def _filled(template: str, world: World) -> str:
    try:
        stack = world.stack
    except PilotError:
        return template.replace("{environment}", world.name)
    return template.format(**{field.name: getattr(stack, field.name) for field in fields(stack)})
