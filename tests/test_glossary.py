"""docs/glossary.md retired some words: no name and no text of the product has them any more, and no document."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator

import pytest

from bench.house.sources import Module, modules, texts
from tests import house_exceptions

FORMS = ("", "s", "ed", "ing")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
ROW = re.compile(r"^\| ([a-z ]+) \| ([a-z ,]+) \|$", re.MULTILINE)
NOT_RULED = ("CHANGELOG.md", "docs/decisions/", "docs/glossary.md")
"""They keep what was written in them at the time; the glossary itself names what it retires."""


def retired() -> dict[str, str]:
    """The words, each with what is said now."""
    table = texts()["docs/glossary.md"].partition("## Retired words")[2]
    return {old: new for old, new in ROW.findall(table) if old != "retired"}


@functools.cache
def pattern() -> re.Pattern[str]:
    """Any of the words in any form, but inside what is said now: `dead letter` is none of `letter`."""
    return re.compile("|".join(_one(old, new) for old, new in retired().items()))


def _one(old: str, new: str) -> str:
    before = "".join(rf"(?<!{part} )" for part in new.split(f" {old}")[:-1])
    return rf"{before}\b{old}(?:{'|'.join(FORMS)})\b"


@pytest.fixture(scope="module")
def house() -> list[Module]:
    return modules(texts())


def names(module: Module) -> Iterator[str]:
    """What the module calls things, its own name included."""
    yield module.name
    for node in module.nodes:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.alias(asname=str(name)) | ast.keyword(arg=str(name)):
                yield name


def prose(module: Module) -> Iterator[str]:
    """Texts for people: those that have a space; a key of JSON has none."""
    for node in module.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
            yield node.value


def found_in(text: str) -> Iterator[str]:
    """Each retired word with what stands around it."""
    flat = " ".join(text.lower().replace("-", " ").split())
    for sense in house_exceptions.OTHER_SENSES:
        flat = re.sub(sense, "", flat)
    for match in pattern().finditer(flat):
        yield flat[max(0, match.start() - 30) : match.end() + 20]


def words_of(name: str) -> str:
    return " ".join(part.lower() for part in PART.findall(name))


def test_a_term_has_one_meaning() -> None:
    terms = re.findall(r"^\| ([a-z -]+) \| [^|]+ \|$", texts()["docs/glossary.md"], re.MULTILINE)

    headings = {"term", "retired"}
    assert sorted({term for term in terms if terms.count(term) > 1} - headings) == []
    assert not retired().keys() & set(terms[: terms.index("retired")])


def test_no_name_has_a_retired_word(house: list[Module]) -> None:
    seen = {name for module in house for name in names(module)}

    assert sorted(name for name in seen if list(found_in(words_of(name)))) == []


def test_no_text_has_a_retired_word(house: list[Module]) -> None:
    found = [
        f"{module.path}: ...{around}..."
        for module in house
        for text in prose(module)
        for around in found_in(text)
    ]
    assert found == []


def test_no_document_has_a_retired_word() -> None:
    found = [
        f"{path}: ...{around}..."
        for path, text in texts().items()
        if path.endswith(".md") and not path.startswith(NOT_RULED)
        for around in found_in(text)
    ]
    assert found == []


def test_a_retired_word_is_found_in_every_form_and_place() -> None:
    assert list(found_in("Two letters")) == ["two letters"]
    assert list(found_in(words_of("LetterView"))) == ["letter view"]
    assert not list(found_in("Two dead\nletters, and one dead-letter queue"))
    assert not list(found_in(words_of("read_dead_letters")))
