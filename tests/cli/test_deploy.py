"""`b2bpilot deploy` through `main`, with a `sam` that writes down how it is called."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from b2bpilot import resources
from b2bpilot.ops.deploy import sam
from tests.aws_clients import client
from tests.cli.conftest import Run

ROOT = resources.PACKAGE.parent
SECRETS = {
    "TwilioAccountSid": "AC00000000000000000000000000000001",
    "TwilioAuthToken": "hunter2",
    "DatabaseUrl": "postgresql://b2b:hunter2@db.example/b2b",
}
FUNCTIONS = (
    "WebhookHandlerFunction", "BackgroundProcessorFunction", "ExpressProcessorFunction", "StaleMessageProcessorFunction", "DeadLetterRedriverFunction",
)  # fmt: skip
RECORDER = f"""#!{sys.executable}
import json, os, pathlib, sys
here = pathlib.Path(__file__).parent
words = sys.argv[1:]
files = [word.removeprefix("file://") for word in words if word.startswith("file://")]
call = {{
    "words": words,
    "architecture": os.environ.get("B2BPILOT_ARCH"),
    "values": pathlib.Path(files[0]).read_text() if files else None,
    "mode": oct(pathlib.Path(files[0]).stat().st_mode & 0o777) if files else None,
}}
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(call) + "\\n")
if words[0] == "build":
    machine = {{"arm64": 0xB7, "x86_64": 0x3E}}[(here / "builds").read_text() or call["architecture"]]
    for name in {FUNCTIONS!r}:
        folder = pathlib.Path(".aws-sam/build") / name / "psycopg_binary"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "pq.so").write_bytes(b"\\x7fELF" + bytes([2, 1, 1]) + bytes(11) + machine.to_bytes(2, "little"))
sys.exit(1 if words[0] == (here / "fails").read_text() else 0)
"""


@dataclass(frozen=True, slots=True)
class Sam:
    folder: Path

    def calls(self) -> list[dict[str, Any]]:
        path = self.folder / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def values(self) -> dict[str, str]:
        return dict(yaml.safe_load(self.calls()[-1]["values"]))

    def fails_at(self, word: str) -> None:
        (self.folder / "fails").write_text(word)

    def builds_for(self, architecture: str) -> None:
        """Whatever it was told."""
        (self.folder / "builds").write_text(architecture)


@pytest.fixture
def recorder(tmp_path: Path, aws: None, monkeypatch: pytest.MonkeyPatch) -> Sam:
    """A checkout that holds what a deploy reads, and the program."""
    checkout, folder = tmp_path / "checkout", tmp_path / "sam"
    (checkout / "lambdas").mkdir(parents=True)
    folder.mkdir()
    for name in ("template.yaml", "samconfig.toml", "lambdas/Makefile", "constraints.txt"):
        shutil.copy(ROOT / name, checkout / name)
    program = folder / "sam"
    program.write_text(RECORDER)
    program.chmod(0o755)
    monkeypatch.setattr(resources, "PACKAGE", checkout / "b2bpilot")
    monkeypatch.setattr(sam, "sam_program", lambda: str(program))
    found = Sam(folder)
    found.fails_at("")
    found.builds_for("")
    return found


@pytest.fixture
def secrets(tmp_path: Path) -> str:
    path = tmp_path / "dev.yaml"
    path.write_text(yaml.safe_dump(SECRETS))
    return str(path)


def deployed(name: str, **parameters: str) -> None:
    """A stack that has these parameters."""
    template = {
        "Parameters": {key: {"Type": "String"} for key in parameters},
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
    }
    client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=json.dumps(template),
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )


def test_a_first_deploy_builds_and_sets_the_same_architecture(run: Run, recorder: Sam, secrets: str) -> None:
    result = run("deploy", "-e", "dev", "--architecture", "x86_64", "--parameters", secrets, "--yes")

    assert result.exit_code == 0, result.stderr
    build, deploy = recorder.calls()
    assert (build["words"][0], build["architecture"]) == ("build", "x86_64")
    assert "Architecture=x86_64" in build["words"]
    assert deploy["words"][0] == "deploy"
    assert recorder.values() == {**SECRETS, "Environment": "dev", "Architecture": "x86_64"}
    assert "b2bpilot verify -e dev --wait 5m" in result.stdout


def test_no_secret_stands_in_arguments_or_output(run: Run, recorder: Sam, secrets: str) -> None:
    result = run("deploy", "-e", "dev", "--parameters", secrets, "--yes", "-o", "json")

    words = [word for call in recorder.calls() for word in call["words"]]
    assert "hunter2" not in " ".join([*words, result.stdout, result.stderr])
    assert recorder.calls()[-1]["mode"] == "0o600"
    file = next(word for word in words if word.startswith("file://"))
    assert not Path(file.removeprefix("file://")).exists()
    assert result.document["parameters"] == sorted([*SECRETS, "Environment", "Architecture"])


def test_account_region_and_caller_are_said_before_anything_changes(
    run: Run, recorder: Sam, secrets: str
) -> None:
    result = run("deploy", "-e", "dev", "--parameters", secrets)

    assert result.exit_code == 5
    assert "123456789012, eu-west-1, as arn:aws:" in result.stderr
    assert "stack      b2b-pilot-dev: not there yet" in result.stderr
    assert recorder.calls() == []


def test_a_later_deploy_keeps_what_the_stack_has(run: Run, recorder: Sam) -> None:
    deployed("b2b-pilot-dev", **SECRETS, Environment="dev", Architecture="x86_64")

    result = run("deploy", "-e", "dev", "--yes")

    assert result.exit_code == 0, result.stderr
    assert recorder.calls()[0]["architecture"] == "x86_64"
    assert recorder.values() == {"Environment": "dev", "Architecture": "x86_64"}
    assert "kept       DatabaseUrl, TwilioAccountSid, TwilioAuthToken" in result.stderr


def test_another_architecture_is_said(run: Run, recorder: Sam) -> None:
    deployed("b2b-pilot-dev", **SECRETS, Environment="dev", Architecture="x86_64")

    result = run("deploy", "-e", "dev", "--architecture", "arm64", "--yes")

    assert "built for  arm64, no longer for x86_64" in result.stderr


def test_an_artifact_of_another_architecture_is_not_deployed(run: Run, recorder: Sam, secrets: str) -> None:
    recorder.builds_for("arm64")

    result = run("deploy", "-e", "dev", "--architecture", "x86_64", "--parameters", secrets, "--yes")

    assert result.exit_code == 2
    assert "is built for arm64, and the functions are to run on x86_64: nothing was deployed" in result.stderr
    assert [call["words"][0] for call in recorder.calls()] == ["build"]


def test_what_was_never_built_is_not_deployed(run: Run, recorder: Sam, secrets: str) -> None:
    result = run("deploy", "-e", "dev", "--parameters", secrets, "--yes", "--no-build")

    assert result.exit_code == 2
    assert "WebhookHandlerFunction is not built" in result.stderr


def test_missing_parameters_are_named_where_nobody_can_be_asked(run: Run, recorder: Sam) -> None:
    result = run("deploy", "-e", "dev", "--yes")

    assert result.exit_code == 2
    assert "no value yet for TwilioAccountSid, TwilioAuthToken, DatabaseUrl" in result.stderr
    assert recorder.calls() == []


def test_parameters_that_do_not_fit_together_are_told_before_anything_is_built(
    run: Run, recorder: Sam, tmp_path: Path
) -> None:
    path = tmp_path / "vpc.yaml"
    path.write_text(yaml.safe_dump({**SECRETS, "SubnetIds": "subnet-0123456789abcdef0"}))

    result = run("deploy", "-e", "dev", "--parameters", str(path), "--yes")

    assert result.exit_code == 2
    assert "contradict each other: SubnetIds need SecurityGroupIds" in result.stderr
    assert recorder.calls() == []


def test_a_secret_of_rds_needs_no_url(run: Run, recorder: Sam, tmp_path: Path) -> None:
    arn = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:rds!db-1-AbCdEf"
    place = {"DatabaseSecretArn": arn, "DatabaseHost": "db.example.com", "DatabaseName": "b2b"}
    twilio = {name: value for name, value in SECRETS.items() if name.startswith("Twilio")}
    file = tmp_path / "rds.yaml"
    file.write_text(yaml.safe_dump(twilio | place))

    result = run("deploy", "-e", "dev", "--parameters", str(file), "--yes")

    assert result.exit_code == 0, result.stderr
    assert recorder.values().items() >= place.items()
    assert "DatabaseUrl" not in recorder.values()


def test_samconfigs_parameters_are_kept_and_its_other_settings_left_to_sam(
    run: Run, recorder: Sam, secrets: str, tmp_path: Path
) -> None:
    path = tmp_path / "checkout" / "samconfig.toml"
    path.write_text(
        path.read_text().replace('["Environment=dev"]', '["Environment=dev", "ReplyText=Thank you"]')
    )

    run("deploy", "-e", "dev", "--parameters", secrets, "--yes")

    assert recorder.values()["ReplyText"] == "Thank you"
    assert "--capabilities" not in recorder.calls()[-1]["words"]


def test_an_environment_without_a_section_needs_none(run: Run, recorder: Sam, secrets: str) -> None:
    run("deploy", "-e", "eu-dev", "--parameters", secrets, "--yes")

    words = recorder.calls()[-1]["words"]
    assert words[words.index("--stack-name") + 1] == "b2b-pilot-eu-dev"
    assert words[words.index("--region") + 1] == "eu-west-1"
    assert "--resolve-s3" in words
    assert recorder.values()["Environment"] == "eu-dev"


def test_what_sam_refuses_is_a_failure(run: Run, recorder: Sam, secrets: str) -> None:
    recorder.fails_at("deploy")

    result = run("deploy", "-e", "dev", "--parameters", secrets, "--yes")

    assert result.exit_code == 1
    assert "`sam deploy` ended with 1" in result.stderr
    assert result.stdout == ""


def test_sam_asks_only_who_may_be_asked(run: Run, recorder: Sam, secrets: str) -> None:
    run("deploy", "-e", "prod", "--parameters", secrets, "--yes")

    assert "--no-confirm-changeset" in recorder.calls()[-1]["words"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("-e", "local"), "the local environment is not deployed"),
        (("-e", "dev", "--architecture", "mips"), "'mips' is not an architecture of Lambda"),
        (("-e", "Dev"), "parameter Environment is not valid"),
        (
            ("-e", "dev", "--parameters", "nowhere.yaml"),
            "nowhere.yaml cannot be read: No such file or directory\n",
        ),
    ],
)
def test_bad_input_ends_with_2(run: Run, recorder: Sam, arguments: tuple[str, ...], said: str) -> None:
    result = run("deploy", *arguments, "--yes")

    assert result.exit_code == 2
    assert said in result.stderr
    assert recorder.calls() == []


def test_a_wheel_says_what_it_lacks(run: Run, recorder: Sam, tmp_path: Path) -> None:
    (tmp_path / "checkout" / "lambdas" / "Makefile").unlink()

    result = run("deploy", "-e", "dev", "--yes")

    assert result.exit_code == 2
    assert "is not a checkout of b2bpilot: lambdas/Makefile is missing" in result.stderr
