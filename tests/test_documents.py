"""What documents and docstrings point at: it is in the repository, under the name that they give it."""

from __future__ import annotations

import functools
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest
import typer
from typer.core import TyperGroup

from b2bpilot.cli.app import program
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.output import Output
from b2bpilot.cli.reference import reference
from bench.house.citations import absent
from bench.house.sources import ROOT, texts

FACTS = "docs/aws-facts.md"
DOCUMENTS = [path for path in texts() if path.endswith(".md")]
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FOLDERS = "(?:acceptance|b2bpilot|bench|docs|lambdas|migrations|tests)/"
NAMED_FILE = re.compile(rf"(?<![\w/.-])({FOLDERS}[a-z_0-9/-]+\.(?:md|py|sql))\b")
NAMED_FOLDER = re.compile(rf"`({FOLDERS}[a-z_/]*)`")
CITED_FACTS = re.compile(r"aws-facts\.md((?:(?:, )?#[\w-]+)+)")
"""`docs/aws-facts.md#sqs-counters`, or several: `docs/aws-facts.md#retries, #event-age`."""
CITED_DECISION = re.compile(r"\bdecisions? (\d+)\b")
CERTAINTY = re.compile(r"\*\*(documented|recorded|seen|likely)\*\*", re.IGNORECASE)


@functools.cache
def files() -> dict[str, str]:
    return texts()


def anchors(document: str) -> list[str]:
    """As GitHub makes them of headings."""
    headings = HEADING.findall(re.sub(r"```.*?```", "", document, flags=re.DOTALL))
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]


def facts() -> Iterator[tuple[str, str]]:
    """Each entry of docs/aws-facts.md with its text."""
    for entry in re.split(r"^### ", files()[FACTS], flags=re.MULTILINE)[1:]:
        heading, _, text = entry.partition("\n")
        yield anchors(f"# {heading}")[0], text.split("\n## ")[0]


def test_nothing_points_at_a_document_that_is_not_there() -> None:
    assert absent(files()) == []


def test_each_fact_that_is_cited_is_written_down_and_each_that_is_written_down_is_cited() -> None:
    written = [name for name, _ in facts()]
    citations = [
        found for path, text in files().items() if path != FACTS for found in CITED_FACTS.findall(text)
    ]
    cited = {name for found in citations for name in re.findall(r"[\w-]+", found)}
    assert len(written) == len(set(written))
    assert cited == set(written)


def test_each_fact_says_how_certain_it_is_and_where_it_is_from() -> None:
    bare = [
        name
        for name, text in facts()
        if not CERTAINTY.search(text)
        or not ("https://" in text or "**Seen**" in text or "LocalStack" in text)
    ]
    assert bare == []


def test_each_decision_that_is_named_is_there() -> None:
    there = {int(PurePosixPath(path).name[:4]) for path in files() if path.startswith("docs/decisions/")}

    named = {int(number) for text in files().values() for number in CITED_DECISION.findall(text)}

    assert named - there == set()


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_link_leads_somewhere(document: str) -> None:
    broken = [
        link
        for link in LINK.findall(files()[document])
        if "://" not in link and not link.startswith("mailto:") and not _leads_somewhere(document, link)
    ]
    assert broken == []


def _leads_somewhere(document: str, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = (ROOT / document).parent / path if path else ROOT / document
    if not target.exists():
        return False
    return not anchor or target.suffix != ".md" or anchor in anchors(target.read_text())


@pytest.mark.parametrize("document", DOCUMENTS)
def test_each_path_that_is_named_is_there(document: str) -> None:
    named = NAMED_FILE.findall(files()[document]) + NAMED_FOLDER.findall(files()[document])

    assert [path for path in named if not (ROOT / path).exists()] == []


WIDTH = 120
READ = [path for path in DOCUMENTS if path.startswith(("README", "docs/"))]
GENERATED = ("docs/checks.md", "docs/commands.md", "docs/iam.md")
"""Written by `make docs`: the commands in them stay on one line, to be pasted."""


@pytest.mark.parametrize("document", READ)
def test_no_line_of_prose_is_too_long_to_read(document: str) -> None:
    """A row of a table cannot be broken, nor can a link that is longer than the line. What a program printed, in a fence,
    stays as it printed it."""
    prose = re.sub(r"```.*?```", "", files()[document], flags=re.DOTALL)
    if document in GENERATED:
        prose = re.sub(r"^ {4}.*$", "", prose, flags=re.MULTILINE)

    too_long = [line for line in prose.splitlines() if len(line) > WIDTH and not _cannot_be_broken(line)]

    assert too_long == []


def _cannot_be_broken(line: str) -> bool:
    return line.lstrip().startswith("|") or max(map(len, line.split())) > WIDTH - 20


def test_the_reference_says_what_the_commands_say() -> None:
    assert files()["docs/commands.md"] == reference(), "run `make docs`"


IN_A_LINE = re.compile(r"`b2bpilot ([a-z][^`]*)`")
ON_A_LINE = re.compile(r"^(?:    |\$ )\s*(?:\$ )?b2bpilot ([a-z].*)$", re.MULTILINE)
NOT_WHOLE = re.compile(r"\.\.\.|[<>]|COMMAND|NAME\.\.\.|\w\|\w")
"""What stands for several commands, or for a part of one."""


def commands(document: str) -> Iterator[str]:
    """Each command of ours that the document gives, without what is said beside it."""
    text = re.sub(r"\\\n\s*", "", files()[document])
    flat = re.sub(r"(?<=\S)\n(?=\S)", " ", text)
    beside = re.compile(r"\s{2,}.*| #.*| \|\|? .*| && .*")
    found = IN_A_LINE.findall(flat) + [beside.sub("", line) for line in ON_A_LINE.findall(text)]
    return (command for command in dict.fromkeys(found) if not NOT_WHOLE.search(command))


@pytest.mark.parametrize(
    "document",
    [path for path in READ if path not in GENERATED and not path.startswith("docs/decisions/")],
)
def test_each_command_that_is_given_is_one_that_there_is(document: str) -> None:
    """With options that it takes, and values that these take; nothing is run. Decisions keep what there was."""
    for command in commands(document):
        _parse(shlex.split(command))


def _parse(words: list[str]) -> None:
    pilot = Pilot(environ={}, output=Output(stdout=io.StringIO(), stderr=io.StringIO()))
    context = typer.Context(program(), info_name="b2bpilot", obj=pilot)
    while isinstance(group := context.command, TyperGroup) and words and words[0] in group.commands:
        command = group.commands[words[0]]
        if isinstance(command, TyperGroup):
            context = typer.Context(command, info_name=words[0], parent=context, obj=pilot)
        elif words[1:]:
            context = command.make_context(words[0], words[1:], parent=context)
        else:
            return  # its name alone
        words = words[1:]
    assert not isinstance(context.command, TyperGroup) or not words or words[0].startswith("-"), words
