"""`doctor`: what is wrong on this machine, with and without a network, with and without credentials."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from datetime import timedelta
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from b2bpilot.cli.app import main
from b2bpilot.local import fitness, packages
from tests.cli.conftest import REGION, Run
from tests.cli.credentials.refusing_aws import answering, refusal
from tests.cli.test_frame import config

NOBODY = ("--endpoint-url", "http://127.0.0.1:9")
KEYS = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": REGION}


def found(run: Run, *arguments: str) -> Mapping[str, Any]:
    document = run("doctor", "-o", "json", *arguments).document
    return {one["subject"]: one for one in document["findings"]}


def have_keys(monkeypatch: pytest.MonkeyPatch, **more: str) -> None:
    for name, value in {**KEYS, **more}.items():
        monkeypatch.setenv(name, value)


def test_without_network_and_credentials_it_says_what_it_did_not_ask(run: Run) -> None:
    """Nothing of it is needed as long as no environment is named."""
    result = run("doctor", *NOBODY)
    said = found(run, *NOBODY)

    assert result.exit_code == 0
    assert "no AWS credentials were found" in result.stdout
    assert [said[name]["status"] for name in ("region", "credentials", "network", "clock")] == [
        "warning", "warning", "warning", "skipped",
    ]  # fmt: skip
    assert said["clock"]["seen"] == "not asked: AWS was not reached"
    assert said["program"]["status"] == said["database client"]["status"] == said["ports"]["status"] == "ok"


def test_for_an_environment_they_are_needed(run: Run) -> None:
    result = run("doctor", "-e", "prod", *NOBODY)

    assert result.exit_code == 1
    assert [line.split()[1] for line in result.stdout.splitlines() if line.startswith("FAILED")] == [
        "region", "credentials", "network",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("region", "status"),
    [
        ("eu-central-1", "ok"),
        ("cn-north-1", "ok"),
        ("us-gov-west-1", "ok"),
        ("mars", "warning"),
        ("eu-centrl-1", "warning"),
        ("eu-central-9", "warning"),
    ],
)
def test_a_region_that_nobody_knows_is_a_warning(run: Run, region: str, status: str) -> None:
    said = found(run, *NOBODY, "--region", region)["region"]

    assert said["status"] == status
    assert said["seen"].startswith(region)


def test_of_the_local_environment_aws_is_not_asked(run: Run) -> None:
    assert not {"region", "credentials", "network", "clock"} & found(run, "-e", "local").keys()


def test_credentials_are_said_with_their_source_and_their_end(
    run: Run, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    have_keys(monkeypatch, AWS_CREDENTIAL_EXPIRATION="2099-01-02T03:04:05Z", AWS_SESSION_TOKEN="t")
    said = found(run)

    assert said["credentials"]["status"] == "ok"
    assert "in account 123456789012, from the variables AWS_ACCESS_KEY_ID" in said["credentials"]["seen"]
    assert said["credentials"]["seen"].endswith("until 2099-01-02 03:04 UTC")
    assert said["network"]["seen"] == f"https://sts.{REGION}.amazonaws.com answers"


def test_credentials_of_a_file_are_not_said_to_be_good_where_nobody_was_asked(run: Run) -> None:
    credentials = Path.home() / ".aws" / "credentials"
    credentials.parent.mkdir(parents=True)
    credentials.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = b\n")
    said = found(run, *NOBODY, "--region", REGION)["credentials"]

    assert said["status"] == "skipped"
    assert said["seen"].startswith("not asked: sts:GetCallerIdentity: AWS was not reached")
    assert said["seen"].endswith("they are from ~/.aws/credentials")


def test_credentials_that_expired_are_a_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    have_keys(monkeypatch)
    with answering(403, refusal("ExpiredToken")) as endpoint:
        said = found(run, "--endpoint-url", endpoint)

    assert said["credentials"]["status"] == "failed"
    assert "aws sso login" in said["credentials"]["then"]
    assert said["network"]["status"] == said["clock"]["status"] == "ok"


@pytest.mark.parametrize(
    ("ahead", "status", "seen"),
    [
        (timedelta(), "ok", "as AWS's"),
        (timedelta(minutes=-2, seconds=-30), "warning", "this machine's is 2 m ahead of AWS's"),
        (timedelta(minutes=10, seconds=30), "failed", "this machine's is 10 m behind AWS's"),
    ],
)
def test_the_clock_is_compared_with_aws_s(run: Run, ahead: timedelta, status: str, seen: str) -> None:
    """Nobody needs credentials for that: a refusal has a Date, too."""
    with answering(403, refusal("AccessDenied"), ahead=ahead) as endpoint:
        said = found(run, "--endpoint-url", endpoint)["clock"]

    assert (said["status"], said["seen"]) == (status, seen)


def test_who_does_not_answer_holds_up_nothing(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        said = found(run, "--endpoint-url", endpoint, "--timeout", "1500ms")

    assert said["network"] == {
        "subject": "network", "status": "skipped", "seen": "not asked: no answer within 1.5 s", "then": None,
    }  # fmt: skip
    assert said["ports"]["status"] == "ok"


@pytest.mark.parametrize(
    ("environ", "status", "seen"),
    [
        ({}, "ok", "none is set"),
        ({"HTTPS_PROXY": "http://ana:hunter2@proxy:3128"}, "warning", "HTTPS_PROXY=http://proxy:3128; NO_PROXY does not name localhost and 127.0.0.1"),
        ({"http_proxy": "http://proxy:3128", "no_proxy": "localhost"}, "warning", "NO_PROXY does not name 127.0.0.1"),
        ({"ALL_PROXY": "http://proxy:3128", "NO_PROXY": "127.0.0.1,localhost,.corp"}, "ok", "NO_PROXY leaves this machine out"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "*"}, "ok", "NO_PROXY leaves this machine out"),
        ({"HTTPS_PROXY": "proxy:3128"}, "failed", "HTTPS_PROXY is no URL"),
        ({"HTTPS_PROXY": "http://proxy:port"}, "failed", "HTTPS_PROXY is no URL"),
    ],
)  # fmt: skip
def test_a_proxy_must_leave_this_machine_out(
    run: Run, environ: dict[str, str], status: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    result = run("doctor", "-e", "local", "-o", "json")
    (said,) = [one for one in result.document["findings"] if one["subject"] == "proxy"]

    assert said["status"] == status
    assert seen in said["seen"]
    assert "hunter2" not in result.stdout + result.stderr


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "AWS_CA_BUNDLE", "PGSSLROOTCERT"])
def test_certificates_that_cannot_be_read_are_named(
    run: Run, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, str(tmp_path / "none.pem"))
    assert found(run, "-e", "local")["certificates"]["seen"].endswith(
        "cannot be read: No such file or directory"
    )

    (tmp_path / "none.pem").write_text("nothing")
    assert found(run, "-e", "local")["certificates"]["seen"].endswith("holds no certificate that can be read")


def test_a_folder_in_which_nothing_can_be_written_is_a_failure(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "file" / "home"))

    assert run("doctor", "-e", "local").exit_code == 1
    assert found(run, "-e", "local")["folder"]["status"] == "failed"


def test_settings_that_every_other_command_refuses_are_one_finding_of_many(run: Run) -> None:
    config('regoin = "eu-west-1"')
    result = run("doctor", "-e", "local")

    assert (result.exit_code, result.stderr) == (1, "")
    assert "has unknown keys: regoin" in result.stdout
    assert "did you mean region for regoin?" in result.stdout
    assert "database client" in result.stdout


def test_what_only_the_local_environment_needs_is_a_warning(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MODULES", ("nobody_has_it",))
    monkeypatch.setattr(fitness, "HOST", "192.0.2.1")
    said = found(run, *NOBODY)

    assert said["extra `local`"]["then"] == packages.HINT
    assert "192.0.2.1 cannot be listened on" in said["ports"]["seen"]
    assert run("doctor", *NOBODY).exit_code == 0


def test_a_terminal_that_knows_ascii_only_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    stdout = TextIOWrapper(BytesIO(), encoding="ascii")
    monkeypatch.setattr(sys, "stdout", stdout)
    main(["doctor", "-e", "local"])
    stdout.seek(0)

    assert "its encoding is ascii: what is not ASCII is shown as escapes" in stdout.read()
