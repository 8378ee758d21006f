"""`dlq list` of a pair: the other side's dead letters below this side's; a side that does not answer hides nothing of the first."""

from __future__ import annotations

from collections.abc import Callable

from b2bpilot.advice import our_command
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.errors import PartlyFailed, PilotError


def name_of_this(pilot: Pilot) -> str | None:
    """Return the region of this side, where there are two."""
    stack = pilot.environment.stack
    return stack.region if stack.pair_region else None


def tell_unasked(pilot: Pilot) -> None:
    """Say that only this side is listed."""
    if region := pilot.environment.stack.pair_region:
        listed = our_command("dlq", "list", "--region", region)
        pilot.output.notice("That is this side's alone; the other one's: " + listed)


def list_other(pilot: Pilot, show: Callable[[Pilot, str], dict[str, object]]) -> dict[str, object]:
    """Call `show` for the other side, and return what it returned; nothing where there is none. Raises PartlyFailed where it
    was not read."""
    from b2bpilot.ops.pair import require_other

    environment = pilot.environment
    region = environment.stack.pair_region
    if not region:
        return {}
    place = pilot.output.place
    try:
        found = show(pilot.of_side(require_other(environment)), region)
    except PilotError as exc:
        pilot.output.lines([f"{region}: not read"])
        pilot.output.record({"other_side": {"region": region, "error": str(exc)}}, text=())
        raise PartlyFailed(f"the dead letters of {region} were not read: {exc}", hint=exc.hint) from exc
    finally:
        pilot.output.place = place
    pilot.output.record({"other_side": {"region": region, **found}}, text=())
    return found
