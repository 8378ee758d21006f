"""Installing completion: what is written where, once, and how it is taken away again."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from b2bpilot.cli.completion.scripts import SCRIPTS
from b2bpilot.cli.completion.shells import Shell
from tests.cli.conftest import Run
from tests.programs import needs

STARTUP = {"bash": ".bashrc", "zsh": ".zshrc"}


@pytest.mark.parametrize("shell", STARTUP)
def test_a_script_and_one_line_are_written_once_and_named(run: Run, shell: str) -> None:
    startup = Path.home() / STARTUP[shell]
    startup.parent.mkdir()
    startup.write_text("export EDITOR=vi")
    script = Path.home() / f".local/share/b2bpilot/completion.{shell}"

    first, second = run("completion", "install", shell), run("completion", "install", shell)

    assert first.stdout == f"Wrote {script}\nAdded a line to {startup}\n"
    assert f"b2bpilot completion uninstall {shell}" in first.stderr
    assert second.stdout == f"It is installed already: {script}\n"
    assert script.read_text() == SCRIPTS[Shell(shell)]
    assert startup.read_text().splitlines()[0] == "export EDITOR=vi"
    assert startup.read_text().count("b2bpilot/completion") == 2  # one line, which looks before it reads
    assert len(startup.read_text().splitlines()) == 2


@pytest.mark.parametrize("shell", list(Shell))
def test_what_was_installed_is_undone(run: Run, shell: Shell) -> None:
    Path.home().mkdir()
    before = Path.home() / STARTUP.get(shell, "none")
    before.write_text("export EDITOR=vi\n")
    run("completion", "install", shell)

    undone, again = run("completion", "uninstall", shell), run("completion", "uninstall", shell)

    assert "Removed " in undone.stdout
    assert again.stdout.startswith("It is not installed")
    assert before.read_text() == "export EDITOR=vi\n"
    assert not [path for path in Path.home().rglob("*b2bpilot*") if path.is_file()]


@pytest.mark.parametrize("shell", STARTUP)
@pytest.mark.parametrize("added", [None, "", "alias ll=ls\n"])
def test_a_file_that_was_made_for_the_line_goes_with_it(run: Run, shell: str, added: str | None) -> None:
    """One that was there stays, empty as it was; so does one to which somebody added something."""
    Path.home().mkdir()
    startup = Path.home() / STARTUP[shell]
    if added == "":
        startup.touch()
    run("completion", "install", shell)
    run("completion", "install", shell)
    if added:
        startup.write_text(startup.read_text() + added)

    undone = run("completion", "uninstall", shell)

    assert (startup.read_text() if startup.exists() else None) == added
    assert (f"Removed {startup}" in undone.stdout) is (added is None)


def test_an_older_script_is_replaced_and_a_link_stays_a_link(run: Run, tmp_path: Path) -> None:
    Path.home().mkdir()
    (tmp_path / "dotfiles").write_text("")
    (Path.home() / ".bashrc").symlink_to(tmp_path / "dotfiles")
    script = Path.home() / ".local/share/b2bpilot/completion.bash"
    script.parent.mkdir(parents=True)
    script.write_text("of the release before")

    assert f"Wrote {script}" in run("completion", "install", "bash").stdout
    assert (Path.home() / ".bashrc").is_symlink()
    assert "b2bpilot" in (tmp_path / "dotfiles").read_text()


def test_the_shell_is_that_of_the_variable_or_must_be_named(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert ".config/fish/completions/b2bpilot.fish" in run("completion", "install").stdout

    monkeypatch.setenv("SHELL", "/bin/dash")
    refused = run("completion", "install")

    assert refused.exit_code == 2
    assert refused.stderr == (
        "error: SHELL names dash, which is none of bash, zsh, fish\n"
        "hint: name one: b2bpilot completion install bash\n"
    )


def test_a_file_that_cannot_be_written_is_named(run: Run) -> None:
    (Path.home() / ".bashrc").mkdir(parents=True)

    refused = run("completion", "install", "bash")

    assert refused.exit_code == 2
    assert refused.stderr.startswith(f"error: {Path.home()}/.bashrc cannot be read: ")


@pytest.mark.parametrize("former", ["--install-completion", "--show-completion"])
def test_the_former_options_still_work(run: Run, monkeypatch: pytest.MonkeyPatch, former: str) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")

    result = run(former)

    assert result.exit_code == 0
    assert "Wrote" in result.stdout or "complete -F" in result.stdout


@pytest.mark.parametrize("shell", [pytest.param(shell, marks=needs(shell)) for shell in Shell])
def test_a_script_is_one_that_its_shell_can_read(run: Run, shell: Shell) -> None:
    script = run("completion", "show", shell).stdout

    assert (
        subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=True).stderr == ""
    )
