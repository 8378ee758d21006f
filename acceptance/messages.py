"""Steps about messages that are stored."""

from __future__ import annotations

from collections.abc import Mapping

from acceptance.outcome import NotTried, require
from acceptance.trial import Trial


def publish(trial: Trial) -> str:
    """A test message through the topic becomes a row."""
    said = trial.commands.run(
        "publish", "--message-id", trial.id_of("followed"), "--body", trial.body, "--wait", trial.patience
    )
    waited = said.document["waited"]
    require(
        waited["verdict"] == "stored", "the message must be stored", saw=waited["verdict"], hint=said.command
    )
    return f"{trial.id_of('followed')} stored after {waited['latency_ms']:,.0f} ms"


def follow(trial: Trial) -> str:
    """Its story is told, and says what the row says."""
    said = trial.commands.run("inspect", trial.id_of("followed"))
    story, row = said.document["inspection"], said.document["submission"]
    require(
        story["verdict"] == "stored", "its story must end in a row", saw=story["verdict"], hint=said.command
    )
    require(row["test"] is True, "the row must be a test's", saw=row["test"], hint=said.command)
    dumb = [source["name"] for source in story["sources"] if source["problem"] and source["name"] != "Twilio"]
    asked = len(story["sources"]) - len(dumb)
    return f"{story['explanation']}; {len(story['timeline'])} events from {asked} places" + (
        f"; not answered: {', '.join(dumb)}" if dumb else ""
    )


def duplicate(trial: Trial) -> str:
    """Sent three times, it is one row."""
    return _sent_again(trial, "doubled", "topic", copies=3)


def signed(trial: Trial) -> str:
    """Posted twice to the webhook, as Twilio signs it, it is one row."""
    return _sent_again(trial, "signed", "webhook", copies=2)


def _sent_again(trial: Trial, name: str, via: str, *, copies: int) -> str:
    said = trial.commands.run(
        "publish", "--via", via, "--message-id", trial.id_of(name), "--body", trial.body,
        "--duplicate", str(copies - 1), "--wait", trial.patience,
    )  # fmt: skip
    published, waited = said.document["published"], said.document["waited"]
    require(published["accepted"] == copies, f"{copies} must be accepted", saw=published, hint=said.command)
    require(waited.get("stored") == 1, "one row must be there", saw=waited, hint=said.command)
    log: Mapping[str, int] = next((row["log"] for row in said.document.get("deliveries", [])), {})
    told = ", ".join(f"{count} {event}" for event, count in sorted(log.items())) or "nothing of it"
    return f"{trial.id_of(name)}: {copies} accepted, 1 row; the processor's log says {told}"


def verify(trial: Trial) -> str:
    """A test message of verify's own goes through the webhook, twice, and leaves nothing."""
    said = trial.commands.run("verify", "--only", "end-to-end", "--yes", ok={0, 1})
    checks = said.document.get("checks", [])
    failed = [f"{check['code']} {check['seen']}" for check in checks if check["status"] == "failed"]
    require(bool(checks) and not failed, "it must go all the way", saw="; ".join(failed), hint=said.command)
    if checks[0]["status"] == "skipped":
        raise NotTried(f"{checks[0]['code']}: {checks[0]['seen']}")
    return "; ".join(check["seen"].partition("; ")[0] for check in checks)
