"""Asking for the parameters that have no value yet; a secret is not shown while it is typed."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.confirm import answer
from b2bpilot.errors import NotConfirmed, SettingsInvalid

if TYPE_CHECKING:
    from b2bpilot.cli.frame.context import Pilot
    from b2bpilot.ops.deploy.parameters import Parameter


def asked(pilot: Pilot, missing: Sequence[Parameter], *, is_read: bool) -> Mapping[str, str]:
    """Return a value for each. `is_read` says whether stdin was read to its end before. Raises SettingsInvalid."""
    names = ", ".join(each.name for each in missing)
    if is_read or not (sys.stdin.isatty() and pilot.output.stderr.isatty()):
        raise SettingsInvalid(
            f"the stack has no value yet for {names}, and there is no terminal to ask for it",
            hint="give it with --parameters FILE, one `Name: value` per line",
        )
    return {each.name: _asked(pilot, each) for each in missing}


def _asked(pilot: Pilot, parameter: Parameter) -> str:
    pilot.output.notice(f"{parameter.name}: {parameter.description}")
    if parameter.is_secret:
        value = _hidden()
        pilot.output.secrets += [value] if value else []
    else:
        value = answer("> ", stdin=sys.stdin, output=pilot.output)
    parameter.require(value)
    return value


def _hidden() -> str:
    try:
        return getpass.getpass("(not shown) ").strip()
    except EOFError:
        raise NotConfirmed("not confirmed") from None
