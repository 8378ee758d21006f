"""The step that asks Twilio."""

from __future__ import annotations

from acceptance.outcome import NotTried
from acceptance.trial import Trial

UNANSWERED = frozenset({"twilio_unreachable", "twilio_denied"})


def reconcile(trial: Trial) -> str:
    """What Twilio has of the last hour is compared with the table; nothing is changed."""
    asked = trial.commands.ask("twilio", "reconcile", "--since", "1h")
    if asked.error.get("code") in UNANSWERED:
        raise NotTried(f"Twilio could not be asked: {asked.error['message']}")
    said = asked if asked.exit_code == 0 else trial.commands.run("twilio", "reconcile", "--since", "1h")
    counts = said.document["reconciled"]
    listed = counts["twilio_list"]["listed"]
    return f"{listed} messages in Twilio's list: {counts['stored']} stored, {counts['missing']} missing"
