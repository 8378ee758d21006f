"""How a step ends that does not pass."""

from __future__ import annotations

from b2bpilot.errors import PilotError


class StepFailed(PilotError):
    """Something is not as it must be; the text says what and why, the hint what to do."""

    code = "step_failed"


class NotTried(PilotError):
    """The environment cannot do it, or nobody may be asked from here; the text says why."""

    code = "not_tried"


def require(holds: bool, what: str, *, saw: object, hint: str) -> None:
    """Raise StepFailed unless it `holds`."""
    if not holds:
        raise StepFailed(f"{what}; saw {saw}", hint=f"see {hint}")
