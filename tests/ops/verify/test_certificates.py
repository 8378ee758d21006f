"""The checks of the processor's own connection: by the URL in its secret, whatever the operator's says."""

from __future__ import annotations

import pytest

from b2bpilot.ops.verify.check import CheckResult, Status
from tests.breaking import breaks
from tests.ops.verify.deployments import DATABASE_SECRET, NOW, deployment, seen
from tests.tls_database import authority

REMOTE = "postgresql://pilot:hunter2@db.example.com/pilot"
RDS = "postgresql://pilot:hunter2@d.c1.eu-west-1.rds.amazonaws.com/pilot?sslmode=verify-full"


def found(code: str, url: str, **fields: str) -> CheckResult:
    given = "postgresql://operator@db.example.com/pilot?sslmode=verify-full"
    return seen(
        code, deployment(given_database_url=given, known={DATABASE_SECRET: {"DATABASE_URL": url, **fields}})
    )


@breaks("B2B170")
@pytest.mark.parametrize(
    "mode", ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer", "?sslmode=require"]
)
def test_a_remote_database_that_nobody_verifies_is_a_warning(mode: str) -> None:
    result = found("B2B170", REMOTE + mode, DATABASE_CA="any")

    assert result.status is Status.WARNING
    assert "put sslmode=verify-full" in result.seen
    assert "DATABASE_CA is not used" in result.seen
    assert "hunter2" not in result.seen


@pytest.mark.parametrize(
    "url",
    [
        f"{REMOTE}?sslmode=verify-full",
        f"{REMOTE}?sslmode=verify-ca",
        f"{REMOTE}?sslrootcert=system",
        "postgresql://pilot@127.0.0.1/pilot",
        "postgresql://pilot@[::1]/pilot",
        "postgresql:///pilot?host=/run/postgresql",
        "host=localhost dbname=pilot",
        "host=db.example.com hostaddr=127.0.0.1 dbname=pilot",
    ],
)
def test_who_is_verified_or_on_the_machine_is_fine(url: str) -> None:
    assert found("B2B170", url).status is Status.OK


def test_one_remote_host_among_several_is_enough() -> None:
    assert found("B2B170", "host=/run/postgresql,10.0.0.7 dbname=pilot").status is Status.WARNING


@breaks("B2B171")
@pytest.mark.parametrize(
    ("days", "status", "said"),
    [
        (-1, Status.FAILED, "DATABASE_CA of the secret expired on 2026-11-19"),
        (30, Status.WARNING, "DATABASE_CA of the secret ends on 2026-12-20: add the one that follows it"),
    ],
)
def test_a_ca_that_has_ended_or_ends_soon_is_found(days: int, status: Status, said: str) -> None:
    result = found("B2B171", RDS, DATABASE_CA=authority("x", days=days, now=NOW).pem)

    assert result.status is status
    assert result.seen.startswith(said)


@pytest.mark.parametrize(
    "text", ["hunter2", "-----BEGIN CERTIFICATE-----\nhunter2\n-----END CERTIFICATE-----"]
)
def test_a_ca_that_is_none_is_told_without_its_content(text: str) -> None:
    result = found("B2B171", RDS, DATABASE_CA=text)

    assert result.status is Status.FAILED
    assert "DATABASE_CA of the secret holds no certificate" in result.seen
    assert "hunter2" not in result.seen


def test_a_ca_that_lasts_is_fine() -> None:
    assert found("B2B171", RDS).seen == "what this version knows, until 2121-05-20"
    assert found("B2B171", REMOTE, DATABASE_CA="unused").seen == "no certificate is verified"
    assert found("B2B171", RDS, DATABASE_CA=authority("x", days=61, now=NOW).pem).status is Status.OK
