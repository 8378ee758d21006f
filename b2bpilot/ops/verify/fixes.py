"""Commands that fix: made of a check's template, so that they can be copied and hit the right account and region."""

from __future__ import annotations

import re
from dataclasses import fields

from b2bpilot.advice import NAMED_DATABASE, Place, Words, written
from b2bpilot.aws import pasted
from b2bpilot.errors import PilotError
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.pipeline.database_secret import has_url

PROGRAM = re.compile(r"(?P<before>^|&& |; |\$\()aws ")
SECRET_DATABASE = re.compile(r"\$\((?:\w+=\S+ )*aws [^|]* get-secret-value [^|]*\| python3 -c '[^']*'\)")
"""The shell's way to the database of the secret, as the checks of the database write it."""
UNFILLED = re.compile(r"\{\w+\}")


def command(template: Words, deployment: Deployment) -> str | None:
    """Return the command with the stack's names, region and profile in it; None for an empty template, or for one whose
    names are not known.

    In text `{name}` stands for an output of the stack, and `{environment}` is known without one. A brace that is meant is
    doubled.
    """
    parts = (template,) if isinstance(template, str) else template.parts()
    lines = [
        _filled(part, deployment) if isinstance(part, str) else part.written(place_of(deployment))
        for part in parts
    ]
    return None if None in lines or not any(lines) else "".join(map(str, lines))


def place_of(deployment: Deployment) -> Place:
    access = deployment.access
    return Place(
        environment=deployment.name,
        region=access.region,
        profile=access.profile,
        endpoint_url=None if deployment.is_local else access.endpoint_url,
        names_a_database=bool(deployment.given_database_url),
    )


def told(error: PilotError, deployment: Deployment, between: str = ": ") -> str:
    """Return an error with its hint."""
    return f"{error}{between}{written(error.hint, place_of(deployment))}" if error.hint else str(error)


def _filled(template: str, deployment: Deployment) -> str | None:
    """The database that was looked at may be another than the one that the stack's secret names. Its URL holds a password:
    the shell has it in a variable, or stops there."""
    filled = _with_names(template, deployment)
    if UNFILLED.search(filled):
        return None
    program = f"{pasted.credentials(deployment.access)}aws {pasted.options(deployment.access)}"
    whole = PROGRAM.sub(lambda found: f"{found['before']}{program}", filled)
    names_the_secret = SECRET_DATABASE.search(whole) is not None
    return (
        SECRET_DATABASE.sub(NAMED_DATABASE, whole)
        if names_the_secret and _is_named_by_the_shell(deployment)
        else whole
    )


def _is_named_by_the_shell(deployment: Deployment) -> bool:
    """Also where the secret holds no URL that one could print."""
    try:
        return bool(deployment.given_database_url) or not has_url(deployment.database_secret)
    except PilotError:
        return False


def _with_names(template: str, deployment: Deployment) -> str:
    try:
        stack = deployment.stack
    except PilotError:
        return template.replace("{environment}", deployment.name)
    names = {field.name: getattr(stack, field.name) for field in fields(stack)}
    return template.format(
        **names | {"database_secret_arn": stack.database_secret, "partition": stack.partition}
    )
