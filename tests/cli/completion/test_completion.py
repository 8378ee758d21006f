"""What a shell is offered, asked as the installed scripts ask: by variables, through `main`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.core import TyperGroup

from b2bpilot.cli.app import COMMANDS, program
from b2bpilot.cli.frame.remembered import remember_subscribers
from b2bpilot.cli.frame.settings import SETTINGS
from b2bpilot.ops.logs.reading import FUNCTIONS
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Category
from tests.cli.conftest import Result, Run, Staging

Ask = Callable[..., list[str]]


@pytest.fixture
def answered(run: Run, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """What bash gets for the words of a line; the last is the one at the cursor, split as bash splits it."""

    def answered(*words: str) -> Result:
        with monkeypatch.context() as shell:
            shell.setenv("_B2BPILOT_COMPLETE", "complete_bash")
            shell.setenv("COMP_WORDS", "\n".join(["b2bpilot", *words]))
            shell.setenv("COMP_CWORD", str(len(words)))
            return run()

    return answered


@pytest.fixture
def offered(answered: Callable[..., Result]) -> Ask:
    return lambda *words: answered(*words).stdout.splitlines()


def test_commands_and_groups_are_offered(offered: Ask) -> None:
    assert offered("") == list(COMMANDS)
    assert offered("sub") == ["submissions", "subscribers"]
    assert offered("dlq", "re") == ["redrive", "replay", "restore"]


@pytest.mark.parametrize("before", [[], ["publish"], ["dlq"], ["dlq", "redrive"], ["-v", "runs", "show"]])
def test_the_global_options_complete_everywhere(offered: Ask, before: list[str]) -> None:
    found = offered(*before, "-")

    assert {flag for setting in SETTINGS for flag in setting.flags} - {"-v", "--verbose"} <= set(found)


def test_an_option_that_was_given_is_not_offered_again_unless_it_repeats(offered: Ask) -> None:
    found = offered("publish", "--count", "3", "--set", "Body=x", "-y", "--")

    assert not {"--count", "--yes"} & set(found)
    assert {"--set", "--rate"} <= set(found)


def test_the_former_options_are_not_offered(offered: Ask) -> None:
    assert offered("--install") == offered("--show") == []


def test_the_environments_of_settings_and_the_local_one_are_offered(
    offered: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("b2bpilot.toml").write_text('env = "dev"\n')
    monkeypatch.setenv("B2BPILOT_ENV", "qa")
    for line in (["-e", ""], ["publish", "--env", ""], ["publish", "--env", "=", ""], ["--env", "="]):
        assert offered(*line) == ["local", "qa", "dev"]


def test_a_stack_that_was_found_is_offered_from_then_on(run: Run, offered: Ask, staging: Staging) -> None:
    assert offered("status", "-e", "sta") == []

    run("publish", "-e", "staging", "--dry-run")

    assert offered("status", "-e", "sta") == ["staging"]


def test_fixed_values_are_offered(offered: Ask) -> None:
    assert offered("publish", "--via", "") == ["topic", "webhook"]
    assert offered("publish", "--priority", "=", "h") == ["high"]
    assert offered("logs", "--level", "w") == ["warning"]
    assert offered("diagnose", "d") == ["duplicates"]
    assert offered("deploy", "--architecture", "") == ["arm64", "x86_64"]
    assert offered("--color", "") == ["auto", "always", "never"]
    assert offered("verify", "-o", "j") == ["json", "jsonl", "junit"]
    assert offered("publish", "-o", "j") == ["json", "jsonl"]
    assert offered("completion", "install", "") == ["bash", "zsh", "fish"]


def test_every_option_with_fixed_values_offers_all_of_them(offered: Ask) -> None:
    """Whatever has a list of choices for the parser has it for the shell."""
    for words, command in _commands(program()):
        for parameter in command.params:
            if choices := getattr(parameter.type, "choices", None):
                typed = [parameter.opts[0]] if parameter.param_type_name == "option" else []
                assert offered(*words, *typed, "") == list(choices)


def test_fixtures_are_offered_and_saved_ones_first(run: Run, offered: Ask) -> None:
    run("publish", "--body", "x", "--save", "mine")

    assert offered("publish", "")[:3] == ["mine", "text", "media"]


def test_functions_are_offered_and_a_second_one(offered: Ask) -> None:
    assert offered("logs", "") == offered("logs", "webhook", "") == list(FUNCTIONS)


def test_categories_and_codes_of_checks_are_offered(offered: Ask) -> None:
    assert offered("verify", "--only", "") == [*Category, *(check.code for check in CHECKS)]
    assert offered("verify", "--skip", "B2B07")[0] == "B2B070"


def test_runs_are_offered_the_newest_first_and_only_those_that_fit(offered: Ask, run: Run) -> None:
    folder = Path.home() / ".local/state/b2bpilot/runs"
    folder.mkdir(parents=True)
    names = [
        f"2026112{day}T194501Z-{what}-3f9a" for day, what in enumerate(("redrive", "cutover", "discard"))
    ]
    for name in names:
        (folder / f"{name}.jsonl").write_text(json.dumps({"event": "started"}) + "\n")

    assert offered("runs", "show", "") == offered("runs", "resume", "") == names[::-1]
    assert offered("twilio", "rollback", "") == [names[1]]
    assert offered("dlq", "restore", "") == [names[2]]


def test_profiles_of_aws_are_offered(offered: Ask) -> None:
    config = Path.home() / ".aws/config"
    config.parent.mkdir(parents=True)
    config.write_text("[default]\n[profile prod]\n[sso-session x]\n")

    assert offered("--profile", "") == ["default", "prod"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (["publish", "--wait", "me"], ["media"]),
        (["publish", "--wait", "30s", "me"], ["media"]),
        (["publish", "--body", "--", "me"], ["media"]),
        (["-ejson", "publish", "-vy", "me"], ["media"]),
        (["publish", "'me"], ["media"]),
        (["nonsense", ""], []),
        (["publish", "text", "--body", ""], []),
        (["--", "dlq", "sh"], ["show"]),
    ],
)
def test_a_line_is_read_as_the_parser_reads_it(offered: Ask, line: list[str], expected: list[str]) -> None:
    assert offered(*line) == expected


def test_files_are_left_to_the_shell(answered: Callable[..., Result]) -> None:
    for line in (["publish", "--file", ""], ["deploy", "--parameters", ""], ["dlq", "export", ""]):
        result = answered(*line)
        assert (result.exit_code, result.stdout) == (64, "")


def test_it_never_says_anything_but_words(answered: Callable[..., Result], run: Run) -> None:
    """Settings that no command would take, an unknown instruction, a cursor that is none."""
    Path("b2bpilot.toml").write_text("env = ")
    assert answered("-e", "").stdout == "local\n"
    os.environ["COMP_CWORD"] = "x"
    for instruction in ("complete_bash", "complete_tcsh", "nonsense"):
        os.environ["_B2BPILOT_COMPLETE"] = instruction
        result = run()
        assert (result.exit_code, result.stdout, result.stderr) == (1, "", "")
    del os.environ["_B2BPILOT_COMPLETE"], os.environ["COMP_CWORD"]


def test_completing_one_command_loads_no_other_and_nothing_heavy(monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
from b2bpilot.cli.app import main
code = main([])
heavy = ("boto3", "botocore", "psycopg", "twilio", "rich", "pydantic", "b2bpilot.ops.verify.catalogue")
print([name for name in (*heavy, "b2bpilot.cli.dlq.app", "b2bpilot.cli.load.command") if name in sys.modules])
"""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setenv("_B2BPILOT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "b2bpilot\nverify\n--only\nB2B010")
    monkeypatch.setenv("COMP_CWORD", "3")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "B2B010\n[]\n"


def test_subscribers_that_an_earlier_command_found_are_offered_and_the_processor_always(
    offered: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path))
    remember_subscribers(tmp_path, "staging", {"analytics": "function arn:x"})

    assert offered("dlq", "show", "-e", "staging", "--subscriber", "") == ["processor", "analytics"]
    assert offered("dlq", "list", "-e", "dev", "--subscriber", "") == ["processor"]


def _commands(group: TyperGroup, *words: str) -> list[tuple[tuple[str, ...], TyperGroup]]:
    found = []
    for word, command in group.commands.items():
        found.append(((*words, word), command))
        if isinstance(command, TyperGroup):
            found += _commands(command, *words, word)
    return found


@pytest.mark.parametrize(
    ("columns", "told"),
    [("60", "Retry failing checks for up to ..."), ("80", "Retry failing checks for up to DURATION")],
)
def test_zsh_gets_a_help_that_has_room_and_a_mark_where_it_was_cut(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: str, told: str
) -> None:
    """zsh itself cuts without a mark what is wider."""
    monkeypatch.setenv("_B2BPILOT_COMPLETE", "complete_zsh")
    monkeypatch.setenv("_TYPER_COMPLETE_ARGS", "b2bpilot verify --")
    monkeypatch.setenv("COLUMNS", columns)

    assert f"'--wait:{told}'" in run().stdout


def test_a_backfill_is_offered_the_subscribers_that_were_seen_and_not_the_processor(
    offered: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("B2BPILOT_HOME", str(tmp_path))
    remember_subscribers(tmp_path, "staging", {"analytics": "a function", "archive": "a queue"})

    assert offered("subscribers", "backfill", "-e", "staging", "") == ["analytics", "archive"]
