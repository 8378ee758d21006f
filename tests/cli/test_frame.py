"""What all commands have in common: settings, errors, streams, exit codes, start-up."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from b2bpilot import __version__
from b2bpilot.advice import GROUPS
from b2bpilot.cli.app import program
from b2bpilot.cli.frame.settings import SETTINGS
from b2bpilot.cli.reference import COMMANDS
from tests.aws_clients import client
from tests.cli.conftest import ACCOUNT, OUTPUTS, REGION, Run, Staging, create_stack

UNREACHABLE = "postgresql://me:hunter2@127.0.0.1:9/pilot"
HEAVY = ("boto3", "botocore", "psycopg", "twilio", "rich", "pydantic")


def config(text: str, *, user: bool = False) -> None:
    path = Path.home() / ".config" / "b2bpilot" / "config.toml" if user else Path("b2bpilot.toml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def in_a_new_process(*arguments: str, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["-c", code] if code else ["-m", "b2bpilot"]
    return subprocess.run(
        [sys.executable, *command, *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    "arguments", [["--help"], ["publish", "--help"], ["submissions", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    code = f"""
import sys
from b2bpilot.cli.app import main
code = main(sys.argv[1:])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""
    result = in_a_new_process(*arguments, code=code)
    assert (result.returncode, result.stderr) == (0, "[]\n")


def test_help_names_each_global_option_and_its_variable(run: Run) -> None:
    text = " ".join(run("--help").stdout.split())
    for setting in SETTINGS:
        assert all(flag in text for flag in setting.flags)
        assert all(f"[{variable}]" in text for variable in setting.variables[:1])


def test_the_help_of_a_command_names_the_global_options_in_short(run: Run) -> None:
    assert "-e/--env, --region" in run("publish", "--help").stdout


def test_version(run: Run) -> None:
    assert run("--version").stdout == f"b2bpilot {__version__}\n"


def test_no_command_at_all_shows_the_help_and_is_wrong_usage(run: Run) -> None:
    result = run()
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Usage: b2bpilot")


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["publihs"], "no such command 'publihs'. Did you mean 'publish'?", "see `b2bpilot --help`"),
        (["-e", "staging"], "missing command", "see `b2bpilot --help`"),
        (
            ["submissions", "lst"],
            "no such command 'lst'. Did you mean 'list'?",
            "see `b2bpilot submissions --help`",
        ),
        (["inspect"], "missing argument 'ID'", "see `b2bpilot inspect --help`"),
        (["publish", "--env"], "option '--env' requires an argument", "see `b2bpilot --help`"),
        (
            ["publish"],
            "no environment was named",
            'name it with --env NAME, B2BPILOT_ENV, or env = "NAME" in b2bpilot.toml',
        ),
        (
            ["submissions", "list"],
            "no environment and no database were named",
            "--env NAME (or B2BPILOT_ENV), or --database-url URL (or B2BPILOT_DATABASE_URL)",
        ),
        (
            ["publish", "-e", "sta ging"],
            "'sta ging' (from --env) is not the name of an environment",
            "letters, digits and hyphens; the stack's name is b2b-pilot-NAME",
        ),
    ],
)
def test_wrong_usage_is_one_line_and_a_hint(run: Run, arguments: list[str], message: str, hint: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"error: {message}\nhint: {hint}\n"


@pytest.mark.parametrize("arguments", [["-o", "xml", "publish"], ["publish", "--output=xml"]])
def test_an_unknown_output_is_refused(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: 'xml' (from --output) must be one of table, json, jsonl\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "json", "publish", "--zzz"],
        ["publish", "--zzz", "-ojson"],
        ["publish", "--zzz", "--output=json"],
    ],
)
def test_under_json_an_error_is_the_document(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert (result.exit_code, result.stderr) == (2, "")
    assert result.document == {
        "schema_version": 1,
        "error": {
            "code": "usage",
            "message": "no such option: --zzz",
            "hint": "see `b2bpilot publish --help`",
        },
    }


def test_under_jsonl_an_error_is_a_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("B2BPILOT_OUTPUT", "jsonl")
    (line,) = run("publish").lines
    assert line["error"]["code"] == "usage"


def test_global_options_work_before_and_after_the_command(run: Run, staging: Staging) -> None:
    for arguments in (
        ["-e", "staging", "-o", "json", "publish"],
        ["publish", "-e", "staging", "-o", "json"],
        ["-e", "elsewhere", "publish", "--env=staging", "-o", "json"],
    ):
        assert run(*arguments).document["published"]["environment"] == "staging"


def test_an_option_wins_over_a_variable_over_the_project_over_the_user(
    run: Run, aws: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*arguments: str) -> str:
        return run("publish", *arguments).stderr.split("'")[1]

    config('env = "of-the-user"\noutput = "table"', user=True)
    assert asked() == "of-the-user"
    config('env = "of-the-project"')
    assert asked() == "of-the-project"
    monkeypatch.setenv("B2BPILOT_ENV", "of-the-variable")
    assert asked() == "of-the-variable"
    assert asked("--env", "of-the-option") == "of-the-option"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("enviroment = 'prod'", "has unknown keys: enviroment"),
        ("env = ", "is not TOML: "),
        ("env = 3", "env must be text"),
        ("output = 'xml'", "'xml' (from "),
        ("verbose = 'perhaps'", "must be true or false"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(run: Run, text: str, said: str) -> None:
    config(text)
    result = run("publish")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: ")
    assert "b2bpilot.toml" in result.stderr.splitlines()[0]
    assert said in result.stderr.splitlines()[0]


def test_an_unknown_environment_says_where_it_was_looked_for_and_what_is_there(run: Run, aws: None) -> None:
    create_stack("staging", OUTPUTS)
    result = run("publish", "-e", "prod")
    assert result.exit_code == 2
    assert result.stderr == (
        f"error: no environment 'prod': stack b2b-pilot-prod does not exist in account {ACCOUNT}, {REGION}; "
        "found there: staging\nhint: check --env, --region and --profile\n"
    )


def test_a_stack_of_another_version_is_named_with_what_it_lacks(run: Run, aws: None) -> None:
    create_stack("old", OUTPUTS)
    result = run("publish", "-e", "old")
    assert result.exit_code == 1
    assert (
        "stack b2b-pilot-old (CREATE_COMPLETE) lacks the outputs database_secret_arn, secret_arn, topic_arn, twilio_secret_arn"
        in result.stderr
    )


def test_no_credentials_are_wrong_settings(run: Run) -> None:
    result = run("publish", "-e", "staging", "--region", REGION)
    assert result.exit_code == 2
    assert result.stderr.startswith("error: no AWS credentials were found\nhint: log in")


def test_a_missing_region_is_wrong_settings(run: Run) -> None:
    result = run("publish", "-e", "staging")
    assert result.exit_code == 2
    assert result.stderr == "error: no AWS region is set\nhint: name one with --region or AWS_REGION\n"


def test_a_missing_profile_is_wrong_settings(run: Run) -> None:
    result = run("publish", "-e", "staging", "--profile", "nobody")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: AWS profile 'nobody' does not exist\n")


def test_an_unreachable_endpoint_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    result = run("publish", "-e", "staging", "--region", REGION, "--endpoint-url", "http://127.0.0.1:9")
    assert result.exit_code == 1
    assert "127.0.0.1:9" in result.stderr.splitlines()[0]
    assert result.stderr.splitlines()[1] == "hint: check the network, --region and --endpoint-url"


@pytest.mark.parametrize("verbose", [[], ["--verbose"]])
def test_an_unreachable_database_is_named_without_its_password(run: Run, verbose: list[str]) -> None:
    result = run("submissions", "list", "--database-url", UNREACHABLE, *verbose)
    assert result.exit_code == 1
    assert "error: no connection to pilot at 127.0.0.1:9: " in result.stderr
    assert "hunter2" not in result.stdout + result.stderr
    assert ("Traceback" in result.stderr) == bool(verbose)


def test_a_database_url_that_is_none_is_refused_without_showing_it(run: Run) -> None:
    result = run("submissions", "list", "--database-url", "mysql://me:hunter2@db/pilot", "-v")
    assert result.exit_code == 2
    assert "error: the database URL is not a PostgreSQL connection string" in result.stderr
    assert "hunter2" not in result.stderr


def test_the_shells_database_is_used_only_without_an_environment(
    run: Run, staging: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", UNREACHABLE)
    assert run("submissions", "list", "-e", "staging").exit_code == 0
    assert "127.0.0.1:9" in run("submissions", "list").stderr


def test_verbose_says_whom_it_asks(run: Run, staging: Staging) -> None:
    result = run("publish", "-e", "staging", "-v")
    assert result.stderr == f"b2b-pilot-staging in account {ACCOUNT}, {REGION}\nAlso reaches: witness\n"


def test_a_secret_of_the_stack_never_leaves(run: Run, staging: Staging) -> None:
    client("secretsmanager").put_secret_value(
        SecretId=staging.secret_arn, SecretString='{"DATABASE_URL": "' + UNREACHABLE + '"}'
    )
    result = run("submissions", "list", "-e", "staging", "--verbose")
    assert "Traceback" in result.stderr
    assert "hunter2" not in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["publihs"], ["publish", "--zzz"], ["publish"], ["publish", "-e", "staging", "--region", REGION]],
)
def test_what_the_operator_did_wrong_has_no_traceback(run: Run, arguments: list[str]) -> None:
    result = run(*arguments, "-v")
    assert result.exit_code == 2
    assert result.stderr == run(*arguments).stderr


def test_what_was_not_confirmed_has_no_traceback(run: Run, empty_database_url: str) -> None:
    result = run("migrate", "--database-url", empty_database_url, "-v")
    assert result.exit_code == 5
    assert "Traceback" not in result.stderr


def test_an_unexpected_error_is_one_line_and_names_verbose(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ValueError("oh\nno postgresql://me:hunter2@db")

    monkeypatch.setattr("b2bpilot.cli.inspect.command.pilot_of", broken)
    result = run("inspect", "x")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: unexpected ValueError: oh\\nno postgresql://me:***@db\n"
        "hint: run it again with --verbose to see the traceback\n"
    )


@pytest.mark.parametrize(("output", "shown"), [("table", ""), ("json", '"interrupted"')])
def test_ctrl_c_is_130(run: Run, monkeypatch: pytest.MonkeyPatch, output: str, shown: str) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("b2bpilot.cli.inspect.command.pilot_of", interrupted)
    result = run("inspect", "x", "-o", output)
    assert result.exit_code == 130
    assert shown in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ["local", "status"],
        ["local", "status", "-o", "json"],
        ["local", "status", "-o", "jsonl"],
        ["--help"],
        ["dlq", "redrive", "--help"],
        ["--version"],
    ],
)
def test_a_full_disk_is_said_and_fails(tmp_path: Path, command: list[str]) -> None:
    home = {
        "HOME": str(tmp_path),
        "B2BPILOT_HOME": str(tmp_path),
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    with Path("/dev/full").open("w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "b2bpilot", *command],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env=home,
            timeout=60,
            check=False,
        )
    assert result.returncode == 1
    assert result.stderr == "error: the output could not be written: No space left on device\n"


def test_a_reader_that_leaves_is_no_error_to_talk_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    shell = f"{sys.executable} -m b2bpilot publish -o json | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert result.stderr == ""
    assert result.stdout.strip() in ("2", "141")


def test_an_interrupt_while_the_program_is_loaded_shows_no_traceback() -> None:
    interrupted = (
        "import runpy, sys\n"
        "class Interrupted:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'b2bpilot.cli.app':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupted())\n"
        "runpy.run_module('b2bpilot', run_name='__main__')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", interrupted],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (130, "", "")


def test_help_fits_a_screen_of_forty_rows(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The prompt that follows it, too."""
    monkeypatch.setenv("COLUMNS", "80")
    assert len(run("--help").stdout.splitlines()) < 40


@pytest.mark.parametrize(
    "group", [(), *((name,) for name in sorted(GROUPS - {"diagnose"} | {"subscribers"}))]
)
def test_a_list_of_commands_has_whole_summaries_on_one_line_each(
    run: Run, monkeypatch: pytest.MonkeyPatch, group: tuple[str, ...]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = run(*group, "-h").stdout
    _, _, listed = shown.partition("Commands:\n")
    listed, _, _ = listed.partition("\n\n")

    assert listed
    assert all(line.startswith("  ") and line[2] != " " for line in listed.splitlines())
    assert all(line.endswith(".") and not line.endswith("...") for line in listed.splitlines())


@pytest.mark.parametrize("columns", ["60", "80"])
def test_the_example_of_a_help_is_one_line_that_can_be_pasted(
    run: Run, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    document = COMMANDS.read_text(encoding="utf-8")
    examples = set(re.findall(r"^    (b2bpilot .+)$", document, re.MULTILINE))
    heads = re.findall(r"^## b2bpilot (.+)$", document, re.MULTILINE)

    assert len(heads) > 30
    for words in heads:
        lines = run(*words.split(), "-h").stdout.splitlines()
        if "  Example:" in lines:
            example = lines[lines.index("  Example:") + 1].strip()
            assert example in examples
            assert "Example" not in example  # a second one on the next line would be a part of this command
        else:
            assert not any("Example" in line for line in lines)


@pytest.mark.parametrize("words", [("dlq",), ("runs", "list"), ("twilio", "route"), ("publish",)])
def test_help_shows_env_and_the_short_flag_for_help(run: Run, words: tuple[str, ...]) -> None:
    shown = run(*words, "-h").stdout

    assert shown == run(*words, "--help").stdout
    assert "  -h, --help" in shown
    assert "  -e, --env NAME" in shown


def test_help_of_what_concerns_this_machine_alone_shows_no_env(run: Run) -> None:
    for words in (("local",), ("local", "up"), ("demo",), ("completion",)):
        assert "--env NAME" not in run(*words, "-h").stdout


def test_listing_commands_loads_none_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    code = (
        "import sys\nfrom b2bpilot.cli.app import COMMANDS, main\nmain(['-h'])\n"
        "print([one.name for one in COMMANDS.values() if one.name.partition(':')[0] in sys.modules], file=sys.stderr)"
    )
    assert in_a_new_process(code=code).stderr == "[]\n"


TYPERS_WORDS = re.compile(
    r"valid|range|x>=|<=x|argument\\(s\\)|Possible|is not one of|Invalid|choose", re.IGNORECASE
)


def test_a_value_that_cannot_be_is_refused_with_what_is_allowed(run: Run) -> None:
    """Of every option and argument of every command, for every kind of value that a parser refuses."""
    refused = 0
    for words, command in every_command():
        for parameter in command.params:
            if parameter.type.name == "text" or getattr(parameter, "is_flag", False):
                continue
            name = parameter.opts[0] if parameter.param_type_name == "option" else ""
            for value in ("fast", "-1", "99999999999", "nan"):
                result = run(*words, *([f"{name}={value}"] if name else ["--", value]))
                if f"{value!r} must be" in result.stderr:
                    refused += 1
                    assert (result.exit_code, result.stdout) == (2, "")
                    assert len(result.stderr.splitlines()) == 1
                    assert f"{name}: {value!r} must be " in result.stderr
                assert not TYPERS_WORDS.search(result.stderr)
    assert refused > 50


def test_what_no_command_takes_is_refused_in_a_line_and_a_hint(run: Run) -> None:
    for words, command in every_command():
        many = ["x"] * (2 + sum(one.nargs for one in command.params if one.param_type_name == "argument"))
        for more in (["--nonsense"], ["--color"], ["--verbose=1"], *([many] if len(many) < 9 else [])):
            result = run(*words, *more)
            if any(one.nargs == -1 for one in command.params) and more == many:
                continue
            assert (result.exit_code, result.stdout) == (2, "")
            assert "hint: see `b2bpilot " in result.stderr or " must be one of " in result.stderr
            assert len(result.stderr.splitlines()) == 1 + ("hint: " in result.stderr)
            assert not TYPERS_WORDS.search(result.stderr)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("publish --rate fast", "--rate: 'fast' must be a number of at least 0.01"),
        ("publish --rate inf", "--rate: 'inf' must be a number of at least 0.01"),
        ("publish --concurrency 99", "--concurrency: '99' must be a whole number from 1 to 32"),
        ("publish --count 0", "--count: '0' must be a whole number from 1 to 1,000,000"),
        ("publish --via pigeon", "--via: 'pigeon' must be one of topic, webhook"),
        ("diagnose weather", "SYMPTOM: 'weather' must be one of not-processed, duplicates, errors, cost"),
        ("status now please", "unexpected arguments: now please"),
        ("publish --dryrun", "no such option: --dryrun. Did you mean --dry-run?"),
        ("twilio cutover --to stack --yes", "no such option: --yes. Did you mean --confirm?"),
        ("logs webhook --watch", "no such option: --watch. Did you mean --follow?"),
        ("submissions list -n 3", "no such option: -n. Did you mean --limit?"),
        ("status --json", "no such option: --json. Did you mean --output?"),
        ("dlq list --yes", "no such option: --yes"),
        ("status --zzz", "no such option: --zzz"),
    ],
)
def test_a_mistake_is_said_in_plain_words(run: Run, line: str, said: str) -> None:
    result = run(*line.split())
    assert (result.exit_code, result.stderr.splitlines()[0]) == (2, f"error: {said}")


@pytest.mark.parametrize(("line", "needless"), [("dlq list --yes", True), ("dlq --yes", False)])
def test_an_option_that_confirms_is_needless_where_nothing_is_asked(
    run: Run, line: str, needless: bool
) -> None:
    assert ("leave it out: this command asks nothing" in run(*line.split()).stderr) is needless


def test_help_says_limits_in_plain_words(run: Run) -> None:
    shown = " ".join(run("publish", "-h").stdout.split())
    assert "[default: 1; 1 to 1,000,000]" in shown
    assert "[at least 0.01]" in shown


def every_command() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Each command that is no group, with its words."""
    for word, command in program().commands.items():
        for name, each in getattr(command, "commands", {"": command}).items():
            yield (word, name) if name else (word,), each
