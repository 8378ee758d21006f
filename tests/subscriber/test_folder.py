"""The folder of `subscribers new`, by the tools that a team has: cfn-lint, sam, pytest."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from b2bpilot.ops.subscribers.new_filter import DEFAULT, read_filter
from b2bpilot.ops.subscribers.new_folder import NewSubscriber, Protocol, write
from b2bpilot.ops.verify.template import parse
from tests.deployment.conftest import tool

NAME = "analytics"
FOREIGN = {"boto3", "botocore", "psycopg", "pytest"}
"""boto3 is Lambda's own, with its botocore; pytest is for the test."""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[Protocol, Path]:
    place = tmp_path_factory.mktemp("subscribers")
    for protocol in Protocol:
        asked = NewSubscriber(name=NAME, protocol=protocol, filter_policy=read_filter(DEFAULT))
        write(place / protocol, asked.files())
    return {protocol: place / protocol for protocol in Protocol}


def ran(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {
        "PATH": os.environ["PATH"],
        "SAM_CLI_TELEMETRY": "0",
        "AWS_DEFAULT_REGION": "us-east-1",
        **environment,
    }
    return subprocess.run(command, cwd=folder, env=variables, capture_output=True, text=True, check=False)


def test_cfn_lint_and_sam_find_nothing(folders: dict[Protocol, Path]) -> None:
    """`sam validate --lint` is SAM's transform and cfn-lint: once for both, for it takes a second to begin."""
    for folder in folders.values():
        done = ran(folder, tool("sam"), "validate", "--lint")
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("protocol", Protocol)
def test_its_own_test_passes_with_a_database_and_without(
    folders: dict[Protocol, Path], subscribers_url: str, protocol: Protocol
) -> None:
    pytest_here = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    with_database = ran(folders[protocol], *pytest_here, DATABASE_URL=subscribers_url)
    without = ran(folders[protocol], *pytest_here)
    assert "2 passed" in with_database.stdout, with_database.stdout
    assert "1 passed, 1 skipped" in without.stdout, without.stdout


def test_make_deploys_the_stack_with_parameters_that_it_has(folders: dict[Protocol, Path]) -> None:
    """Which commands it would run, and what README.md tells to give."""
    for folder in folders.values():
        planned = ran(
            folder, "make", "-n", "deploy", "ENV=dev", "PARAMETERS=SubnetIds=subnet-1,subnet-2"
        ).stdout
        told = re.findall(
            r"\b([A-Z][a-z]+[A-Za-z]*)=|`(Database[A-Z]\w+|S\w+Ids)`",
            planned + (folder / "README.md").read_text(),
        )
        refused = ran(folder, "make", "deploy")

        assert f"--stack-name {NAME}-b2b-pilot-dev " in planned
        assert "Environment=dev AlarmsTo=core SubnetIds=subnet-1,subnet-2" in planned
        named = {first or second for first, second in told}
        assert named <= parse((folder / "template.yaml").read_text())["Parameters"].keys()
        assert {"DatabaseSecretArn", "TopicArn", "DatabaseHost", "SubnetIds"} <= named
        assert (refused.returncode, refused.stderr.splitlines()[0]) == (
            2,
            "which environment? make deploy ENV=dev",
        )


AWS = """#!/bin/sh
case "$*" in
  *"--region eu-west-9"*) ;;
  *) exit 9 ;;
esac
case "$2" in
  list-queues) test -n "$COUNT" || exit 254; echo "https://sqs/1/analytics-b2b-pilot-dev-dlq https://sqs/1/analytics-b2b-pilot-dev-eu-dlq" ;;
  get-queue-attributes) case "$*" in *-dev-dlq*) echo "$COUNT" ;; *) echo 99 ;; esac ;;
esac
"""


@pytest.mark.parametrize(
    ("count", "force", "said"),
    [
        ("0", "", None),
        ("3", "", "nothing is deleted: 3 messages are in analytics-b2b-pilot-dev-dlq, and would go with it."),
        ("", "", "nothing is deleted: what is in the queues of analytics-b2b-pilot-dev is unknown."),
        ("3", "1", None),
    ],
)
def test_a_stack_with_messages_in_its_queues_is_deleted_only_by_force(
    folders: dict[Protocol, Path], tmp_path: Path, count: str, force: str, said: str | None
) -> None:
    for name, script in (("aws", AWS), ("sam", "#!/bin/sh\necho sam $*\n")):
        (tmp_path / name).write_text(script)
        (tmp_path / name).chmod(0o755)
    asked = ("make", "delete", "ENV=dev", f"FORCE={force}", "OPTIONS=--region eu-west-9 --no-prompts")
    path = f"{tmp_path}:{os.environ['PATH']}"

    done = ran(folders[Protocol.QUEUE], *asked, PATH=path, COUNT=count)

    deleted = f"sam delete --stack-name {NAME}-b2b-pilot-dev --region eu-west-9 --no-prompts\n"
    assert (done.stdout[-len(deleted) :], done.returncode) == (("", 2) if said else (deleted, 0))
    refusal = [f"{said} make delete ENV=dev FORCE=1 deletes all the same"] if said else []
    assert done.stderr.splitlines()[:1] == refusal


def test_its_code_needs_psycopg_and_nothing_of_ours(folders: dict[Protocol, Path]) -> None:
    for folder in folders.values():
        own = {path.stem for path in folder.glob("*.py")}
        imported = {
            name.partition(".")[0]
            for path in folder.glob("*.py")
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )
        }  # fmt: skip
        assert imported - own - sys.stdlib_module_names == FOREIGN
