"""`b2bpilot verify --print-iam`: the least policy for each command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import LOCAL
from b2bpilot.cli.output import Line, Tone
from b2bpilot.errors import PilotError

if TYPE_CHECKING:
    from b2bpilot.ops.verify.iam import Names


def show(pilot: Pilot) -> None:
    """Print them; with an environment that can be found, its names are in them."""
    from b2bpilot.ops.verify.iam import COMMANDS, policy_of

    names = _names(pilot)
    policies = {command: policy_of(command, names) for command in COMMANDS}
    text = "".join(
        f"b2bpilot {command}\n{json.dumps(document, indent=2)}\n\n" for command, document in policies.items()
    )
    pilot.output.record({"policies": policies}, text=[Line(line, Tone.DATA) for line in text.splitlines()])


def _names(pilot: Pilot) -> Names:
    """Who asks for permissions may have none yet: then the names are left open."""
    from b2bpilot.ops.verify.iam import Names

    name = pilot.settings.environment
    if name is None or name == LOCAL:
        return Names()
    try:
        return Names.of(pilot.environment.stack)
    except PilotError as exc:
        pilot.output.notice(f"{exc}: replace REGION, ACCOUNT, API_ID and the ARNs of the secrets yourself.")
        return Names(environment=name, region=pilot.settings.region or "REGION")
