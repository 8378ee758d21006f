"""Checks of the category `database` that look at the processor's own way to it, as its secret says: not at the operator's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from functools import partial

from b2bpilot.ops.environment import elsewhere
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.pipeline.database_secret import database_url

SECRET = ("secretsmanager:GetSecretValue",)
SOON = timedelta(days=60)


def _of_the_secret(deployment: Deployment) -> str:
    """The way to the database without the secret's own CA."""
    return database_url(
        deployment.database_secret, deployment.stack.database_secret, elsewhere(deployment.stack)
    )


def _is_verified(deployment: Deployment) -> Answer:
    from b2bpilot.ops.table.address import leaves_the_machine
    from b2bpilot.pipeline.authorities import FIELD, mode_of, verifies
    from b2bpilot.pipeline.dsn import check_dsn, place

    check_dsn(url := _of_the_secret(deployment))
    if not leaves_the_machine(url):
        return holds("it does not leave the machine")
    mode = mode_of(url, {})
    if verifies(url, {}):
        return holds(f"sslmode={mode or 'verify-full'}, {place(url)}")
    said = f"sslmode={mode}" if mode else "no sslmode"
    unused = f"; without it the secret's {FIELD} is not used" if deployment.database_secret.get(FIELD) else ""
    return fails(
        f"the URL in the secret has {said} for {place(url)}: put sslmode=verify-full into it, and deploy{unused}"
    )


def _lasts(deployment: Deployment) -> Answer:
    """Of the CA alone that signed the server's: nobody sees here when that ends. AWS renews RDS's itself."""
    from b2bpilot.pipeline.authorities import FIELD, known_to, verifies
    from b2bpilot.pipeline.certificates import last_day, usable
    from b2bpilot.pipeline.dsn import check_dsn

    check_dsn(url := _of_the_secret(deployment))
    if not verifies(url, {}):
        return holds("no certificate is verified")
    own = deployment.database_secret.get(FIELD)
    name = f"{FIELD} of the secret" if own else "what this version knows"
    end = last_day(usable(own, name, now=deployment.now) if own else known_to(url))
    if end is None:
        return holds(f"{name} does not say that it is a CA")
    if end < deployment.now + SOON:
        seen = f"{name} ends on {end:%Y-%m-%d}: add the one that follows it, below the old one"
        return replace(fails(seen), severity=Severity.WARNING)
    return holds(f"{name}, until {end:%Y-%m-%d}")


check = partial(Check, category=Category.DATABASE, actions=SECRET, needs=("B2B018",))

CHECKS = (
    check(
        code="B2B170",
        statement="the processor verifies the database's certificate, or the database is on the same machine",
        why="Somebody in between could impersonate the database, and read the password and every message.",
        probe=_is_verified,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B171",
        statement="the CA by which the database's certificate is verified is valid for 60 more days",
        why="Once it expires no function can reach the database, and each message becomes a dead letter.",
        probe=_lasts,
    ),
)
