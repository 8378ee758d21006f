"""Commands that mend: made of a check's template, so that they can be copied and hit the right account and region."""

from __future__ import annotations

import re
from dataclasses import fields

from b2bpilot.advice import Place, Words, written
from b2bpilot.aws import pasted
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.world import World
from b2bpilot.pipeline.database_secret import has_url

PROGRAM = re.compile(r"(?P<before>^|&& |; |\$\()aws ")
SECRET_DATABASE = re.compile(r"\$\((?:\w+=\S+ )*aws [^|]* get-secret-value [^|]*\| python3 -c '[^']*'\)")
"""The shell's way to the database of the secret, as the checks of the database write it."""
GIVEN_DATABASE = "${B2BPILOT_DATABASE_URL:?}"
UNFILLED = re.compile(r"\{\w+\}")


def command(template: Words, world: World) -> str | None:
    """Return the command with the stack's names, region and profile in it; None for an empty template, or for one whose
    names are not known.

    In text `{name}` stands for an output of the stack, and `{environment}` is known without one. A brace that is meant is
    doubled.
    """
    parts = (template,) if isinstance(template, str) else template.parts()
    lines = [
        _filled(part, world) if isinstance(part, str) else part.written(place_of(world)) for part in parts
    ]
    return None if None in lines or not any(lines) else "".join(map(str, lines))


def place_of(world: World) -> Place:
    access = world.access
    return Place(
        environment=world.name,
        region=access.region,
        profile=access.profile,
        endpoint_url=None if world.is_local else access.endpoint_url,
        names_a_database=bool(world.given_database_url),
    )


def told(error: PilotError, world: World, between: str = ": ") -> str:
    """Return an error with its hint."""
    return f"{error}{between}{written(error.hint, place_of(world))}" if error.hint else str(error)


def _filled(template: str, world: World) -> str | None:
    """The database that was looked at may be another than the one that the stack's secret names. Its URL holds a password:
    the shell has it in a variable, or stops there."""
    filled = _with_names(template, world)
    if UNFILLED.search(filled):
        return None
    program = f"{pasted.credentials(world.access)}aws {pasted.options(world.access)}"
    whole = PROGRAM.sub(lambda found: f"{found['before']}{program}", filled)
    names_the_secret = SECRET_DATABASE.search(whole) is not None
    return (
        SECRET_DATABASE.sub(GIVEN_DATABASE, whole)
        if names_the_secret and _is_named_by_the_shell(world)
        else whole
    )


def _is_named_by_the_shell(world: World) -> bool:
    """Also where the secret holds no URL that one could print."""
    try:
        return bool(world.given_database_url) or not has_url(world.database_secret)
    except PilotError:
        return False


def _with_names(template: str, world: World) -> str:
    try:
        stack = world.stack
    except PilotError:
        return template.replace("{environment}", world.name)
    names = {field.name: getattr(stack, field.name) for field in fields(stack)}
    return template.format(
        **names | {"database_secret_arn": stack.database_secret, "partition": stack.partition}
    )
