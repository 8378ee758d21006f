"""A first deploy of the template as it is, by AWS's own tools, into an emulator as it is; then the acceptance tests.

Nothing of `b2bpilot.local` is here: what works is the template's, the artifacts' and the command line's.
"""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from psycopg.conninfo import conninfo_to_dict

from acceptance.__main__ import main
from acceptance.steps import STEPS
from b2bpilot.cli.app import main as b2bpilot
from tests.deployment.plain_emulator import PlainEmulator, plain_emulator
from tests.local.test_acceptance import in_this_process

Tool = Callable[..., subprocess.CompletedProcess[str]]

API_ID = "b2bpilot"
"""Given by a tag that the emulator reads, so that the URL is known before the deploy."""
LACKS = {
    "B2B042": "its CloudFormation drops DeadLetterConfig",
    "B2B072": "its functions' logs hold no lines of the functions",
    "B2B179": "its CloudFormation turns every mapping on",
}
"""What the emulator is known not to do."""
NOBODY = "http://127.0.0.1:9"


@pytest.fixture
def emulator(tmp_path: Path, python_3_13: str) -> Iterator[PlainEmulator]:
    with plain_emulator(tmp_path, python_3_13) as found:
        yield found


@pytest.fixture
def shell(emulator: PlainEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shell in which AWS is the emulator and Twilio cannot be reached."""
    for name, value in emulator.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TWILIO_API_URL", NOBODY)


def url(dsn: str) -> str:
    parts = conninfo_to_dict(dsn)
    return f"postgresql://{parts['user']}:@/{parts['dbname']}?host={quote(str(parts['host']))}"


@pytest.fixture
def deployed(
    shell: None, emulator: PlainEmulator, run: Tool, request: pytest.FixtureRequest, empty_database_url: str
) -> None:
    architecture = "x86_64" if platform.machine() == "x86_64" else "arm64"
    artifacts = request.getfixturevalue(architecture)
    parameters = {
        "Environment": "dev",
        "Architecture": architecture,
        "TwilioAccountSid": "AC00000000000000000000000000000000",
        "TwilioAuthToken": "token",
        "DatabaseUrl": url(empty_database_url),
        "PublicWebhookUrl": emulator.webhook_url(API_ID),
    }
    done = run(
        "sam", "deploy", "--template-file", str(next(iter(artifacts.values())).parent / "template.yaml"),
        "--stack-name", "b2b-pilot-dev", "--resolve-s3", "--capabilities", "CAPABILITY_IAM",
        "--no-confirm-changeset", "--no-progressbar", "--tags", f"ms-custom-id={API_ID}",
        "--parameter-overrides", *(f"{name}={value}" for name, value in parameters.items()),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_first_deploy_is_accepted(deployed: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert b2bpilot(["migrate", "-e", "dev", "--yes"]) == 0
    known = [word for code in LACKS for word in ("--known", code)]

    exit_code = main(["-e", "dev", "--yes", "--patience", "2m", *known], execute=in_this_process)

    said = capsys.readouterr().out
    steps = {
        verdict: {line[11:28].strip() for line in said.splitlines() if line.startswith(verdict)}
        for verdict in ("passed", "not tried")
    }
    assert exit_code == 0, said
    assert steps["passed"] == {step.name for step in STEPS} - {"reconcile"} | {"verify", "clean up"}, said
    assert steps["not tried"] == {"verify", "reconcile"}, said
    assert "as Lambda writes none here (B2B042)" in said
    assert "Twilio could not be asked" in said
