"""Credentials that AWS refuses: which, why, and what to do. Another HTTP status than 401 and 403 is no matter of theirs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.cli.conftest import Run
from tests.cli.credentials.refusing_aws import answering, refusal

LOG_IN, KEYS, WHO = "log in (`aws sso login`", "compare the secret key", "`aws sts get-caller-identity`"
CLOCK, AGAIN = "set this machine's clock", "run it again"
LATE = "Signature expired: 20261129T220000Z is now earlier than 20261129T221500Z"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ACCESS_KEY_ID": "a", "SECRET_ACCESS_KEY": "b", "REGION": "eu-west-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def told(run: Run, monkeypatch: pytest.MonkeyPatch, body: bytes, *, status: int = 403, ahead: timedelta = timedelta(0)) -> str:  # fmt: skip
    with answering(status, body, ahead=ahead) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        result = run("dlq", "list", "-e", "staging")
    assert result.exit_code == 2, result.stderr
    return result.stderr


@pytest.mark.parametrize(
    ("code", "status", "hint"),
    [
        ("ExpiredToken", 403, LOG_IN),
        ("ExpiredTokenException", 400, LOG_IN),
        ("InvalidClientTokenId", 403, LOG_IN),
        ("InvalidToken", 400, LOG_IN),
        ("MissingAuthenticationToken", 403, LOG_IN),
        ("MissingAuthenticationTokenException", 403, LOG_IN),
        ("OptInRequired", 403, LOG_IN),
        ("NotSignedUp", 401, LOG_IN),
        ("UnrecognizedClientException", 400, LOG_IN),
        ("SignatureDoesNotMatch", 403, KEYS),
        ("InvalidSignatureException", 400, KEYS),
        ("AuthFailure", 401, KEYS),
        ("NobodyListedThis", 403, WHO),
        ("NobodyListedThis", 401, WHO),
    ],
)
def test_a_refusal_of_who_asks_is_one_of_the_credentials(
    code: str, status: int, hint: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = told(run, monkeypatch, refusal(code), status=status)

    assert f"({code}): because" in stderr
    assert hint in stderr


@pytest.mark.parametrize(
    "code", ["SignatureDoesNotMatch", "InvalidSignatureException", "RequestTimeTooSkewed"]
)
@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (timedelta(minutes=17), "this machine's clock is 17 minutes behind AWS's"),
        (timedelta(minutes=-17), "this machine's clock is 17 minutes ahead of AWS's"),
        (timedelta(hours=9), "this machine's clock is 9 hours behind AWS's"),
        (timedelta(days=-400), "this machine's clock is 400 days ahead of AWS's"),
    ],
)
def test_a_clock_that_is_wrong_is_the_reason(
    code: str, ahead: timedelta, words: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stderr = told(run, monkeypatch, refusal(code, LATE), ahead=ahead)

    assert f"AWS refused the signature: {words}" in stderr
    assert CLOCK in stderr
    assert "log in" not in stderr


@pytest.mark.parametrize("code", ["SignatureDoesNotMatch", "RequestExpired"])
def test_a_late_request_of_a_right_clock_is_no_wrong_clock(
    code: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that slept while it asked."""
    stderr = told(run, monkeypatch, refusal(code, LATE))

    assert "for its time, though this machine's clock agrees with AWS's now" in stderr
    assert AGAIN in stderr


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, refusal("SubscriptionLimitExceeded")),
        (403, b"<html>the proxy says no</html>"),
        (403, b"no"),
        (404, refusal("NobodyListedThis")),
        (200, b"<html>log in</html>"),
        (200, b""),
    ],
)
def test_what_is_no_matter_of_credentials_is_told_as_none(
    status: int, body: bytes, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering(status, body) as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        result = run("dlq", "list", "-e", "staging")
    assert result.exit_code == 1
    assert "credentials" not in result.stderr
    assert "unexpected" not in result.stderr


@pytest.mark.parametrize("status", [200, 403])
def test_what_is_no_xml_is_no_answer(status: int, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with answering(status, b"<p>Please<br>log in") as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        result = run("dlq", "list", "-e", "staging")
    assert "cloudformation:DescribeStacks: no answer of AWS's" in result.stderr
