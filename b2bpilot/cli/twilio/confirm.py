"""Asking for the number or the service before its messages go elsewhere."""

from __future__ import annotations

from b2bpilot.cli.frame.confirm import answer
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.text.privacy import mask_number
from b2bpilot.errors import Refused


def ask_for(pilot: Pilot, name: str, *, typed: str | None) -> None:
    """Return when the name was typed, there or as an option; a number is asked for without showing it. Raises Refused."""
    confirmation = pilot.confirmation(yes=False)
    output = confirmation.output
    what = f"the number ({mask_number(name)})" if name.startswith("+") else name
    if typed is None and confirmation.stdin.isatty() and output.stderr.isatty():
        typed = answer(f"Type {what} to continue: ", stdin=confirmation.stdin, output=output)
    if typed is None:
        raise Refused(
            f"not confirmed: this needs {what} typed",
            hint="run it again with --confirm NAME",
        )
    if typed != name:
        raise Refused(f"not confirmed: what was typed is not {what}")
