"""`local up --subscriber`: a folder that cannot be run is refused in one line, before anything is started."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from b2bpilot.ops.subscribers.new_folder import NewSubscriber, Protocol, write
from tests.cli.conftest import Run

TOPIC = "b2b-pilot-${Environment}-TopicArn"


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "local"
    monkeypatch.setenv("B2BPILOT_HOME", str(home))
    monkeypatch.chdir(tmp_path)
    return home


def subscriber(path: Path, name: str = "analytics") -> Path:
    write(path, NewSubscriber(name=name, protocol=Protocol.LAMBDA, filter_policy={}).files())
    return path


def changed(old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        template = subscriber(folder) / "template.yaml"
        before = template.read_text()
        assert old in before
        template.write_text(before.replace(old, new))

    return change


BROKEN = {
    "no folder": (lambda _: None, "{folder} is no folder"),
    "a file": (Path.touch, "{folder} is no folder"),
    "an empty folder": (Path.mkdir, "{folder} has no template.yaml"),
    "no YAML": (changed("Resources:", "Resources: ]"), "{template} is not YAML (line "),
    "an empty template": (lambda folder: changed_whole(folder, b""), "{template} is no subscriber's: it does not import"),
    "a list": (lambda folder: changed_whole(folder, b"- a\n"), "{template} is no subscriber's: it does not import"),
    "no UTF-8": (lambda folder: changed_whole(folder, b"\xff"), "{template} cannot be read: it is not UTF-8"),
    "another topic": (changed(TOPIC, "somebody-elses-${Environment}-TopicArn"), f"it does not import {TOPIC}"),
    "another's names": (changed("analytics-b2b-pilot-$", "analytics-$"), "no function or queue is named NAME-b2b"),
    "the processor's name": (changed("analytics", "processor"), "'processor' is b2bpilot's own subscriber"),
    "a core's name": (changed("analytics", "b2b-pilot-x"), "template.yaml: 'b2b-pilot-x' has b2b-pilot in it"),
    "no name": (changed("analytics", "An_alytics"), "'An_alytics' cannot be a subscriber's name"),
    "two names": (
        changed("QueueName: !Sub analytics-b2b-pilot-${Environment}-dlq", "QueueName: !Sub crm-b2b-pilot-${Environment}"),
        "names more than one subscriber: analytics, crm",
    ),
    "a parameter that nobody gives": (
        changed("Parameters:\n", "Parameters:\n  Bucket: {Type: String}\n"),
        "needs parameters that are not known here: Bucket",
    ),
    "no handler": (changed("      Handler: handler.handler\n", ""), "a function has no Handler"),
    "another language": (
        changed("Runtime: python3.13", "Runtime: nodejs22.x"), "the runtime of handler.handler is nodejs22.x, not python",
    ),
    "two handlers of one name": (
        changed("Resources:\n", "Resources:\n  Other:\n    Type: AWS::Serverless::Function\n"
                "    Properties: {Handler: handler.handler, CodeUri: ..}\n"),
        "two functions have the handler handler.handler",
    ),
    "no code": (changed("CodeUri: .", "CodeUri: nowhere"), "its code {folder}/nowhere is no folder"),
}  # fmt: skip


def changed_whole(folder: Path, content: bytes) -> None:
    (subscriber(folder) / "template.yaml").write_bytes(content)


@pytest.mark.parametrize(
    "given",
    [
        ("local", "up", "-d", "--subscriber", ""),
        ("local", "up", "--subscriber", "a", "--subscriber="),
        ("load", "-e", "local", "--report", ""),
        ("dlq", "redrive", "-e", "local", "--plan", ""),
    ],
)
def test_an_empty_path_is_not_taken_for_this_folder(
    run: Run, tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch, given: tuple[str, ...]
) -> None:
    subscriber(tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")

    result = run(*given)

    option = next(word for word in reversed(given) if word.startswith("--")).rstrip("=")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0] == f"error: {option} is empty"
    assert not home.exists()


@pytest.mark.parametrize("how", BROKEN)
def test_a_folder_that_cannot_be_run_is_refused(run: Run, tmp_path: Path, home: Path, how: str) -> None:
    folder = tmp_path / "given"
    make, said = BROKEN[how]
    make(folder)

    result = run("local", "up", "--subscriber", str(folder))

    assert (result.exit_code, result.stdout) == (2, "")
    said = said.replace("{folder}", str(folder)).replace("{template}", str(folder / "template.yaml"))
    assert said in result.stderr.replace("\n", " ")
    assert result.stderr.count("error: ") == 1
    assert not home.exists()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        (("a", "a"), "a is named twice"),
        (("a", "./a/../a"), "a is named twice"),
        (("a", "a/inner"), "a/inner is inside "),
        (("a/inner", "a"), "a/inner is inside "),
        (("a", "b"), "are both the subscriber analytics"),
    ],
)
def test_two_folders_that_are_in_each_others_way_are_refused(
    run: Run, tmp_path: Path, home: Path, named: tuple[str, str], said: str
) -> None:
    for each in ("a", "a/inner", "b"):
        if each in {"a", *named}:
            subscriber(tmp_path / each)

    result = run("local", "up", *(f"--subscriber={each}" for each in named))

    assert result.exit_code == 2
    assert said in result.stderr.replace("\n", " ")
    assert not home.exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('subscribers = "a"', "subscribers must be a list of folders"),
        ("subscribers = [1]", "subscribers must be a list of folders"),
        ('subscribers = [""]', "subscribers must be a list of folders"),
        ('subscriber = ["a"]', "unknown keys: subscriber"),
    ],
)
def test_a_list_in_the_file_that_is_none_is_refused_by_every_command(
    run: Run, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "b2bpilot.toml").write_text(text)
    for command in (("local", "up"), ("local", "status")):
        result = run(*command)
        assert result.exit_code == 2
        assert said in result.stderr


def test_the_file_names_folders_from_where_it_is_and_the_option_adds_to_them(
    run: Run, tmp_path: Path, home: Path
) -> None:
    (tmp_path / "teams").mkdir()
    subscriber(tmp_path / "teams" / "a")
    (tmp_path / "b2bpilot.toml").write_text('subscribers = ["teams/a", "teams/missing"]')

    result = run("local", "up", "--subscriber", "teams/a")

    assert result.exit_code == 2
    assert f"{tmp_path}/teams/missing is no folder" in result.stderr.replace("\n", "")
    assert run("local", "status").exit_code == 0
    assert not home.exists()
