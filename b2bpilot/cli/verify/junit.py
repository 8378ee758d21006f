"""Check results as a JUnit report, in the form that both Jenkins' and Ant's schema take."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET  # nothing is read

from b2bpilot.cli.text import plain
from b2bpilot.cli.verify.verify_view import headed
from b2bpilot.ops.verify.report import said

if TYPE_CHECKING:
    from b2bpilot.ops.verify.check import CheckResult

NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
NAME = "b2bpilot.verify"


def document(environment: str, results: Sequence[CheckResult], *, at: datetime, strict: bool = False) -> str:
    """Return the report: a suite for each category. A warning is a failure with `strict` only."""
    root = ET.Element("testsuites")
    for number, (category, members) in enumerate(groupby(results, headed)):
        root.append(_suite(number, environment, category, list(members), at=at, strict=strict))
    ET.indent(root)
    written = ET.tostring(root, encoding="unicode")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + "\n".join(map(_named, written.split("\n")))


def _suite(
    number: int,
    environment: str,
    category: str,
    results: Sequence[CheckResult],
    *,
    at: datetime,
    strict: bool,
) -> ET.Element:
    failures = sum(_is_failure(result, strict=strict) for result in results)
    suite = ET.Element(
        "testsuite",
        id=str(number),
        package=NAME,
        name=category,
        timestamp=f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
        hostname=_text(environment),
        tests=str(len(results)),
        failures=str(failures),
        errors="0",
        skipped=str(sum(result.status.value == "skipped" for result in results)),
        time=_seconds(sum(result.seconds for result in results)),
    )
    ET.SubElement(suite, "properties")
    for result in results:
        suite.append(_case(category, result, strict=strict))
    ET.SubElement(suite, "system-out").text = "\n".join(_seen(results))
    ET.SubElement(suite, "system-err")
    return suite


def _case(category: str, result: CheckResult, *, strict: bool) -> ET.Element:
    check = result.check
    case = ET.Element(
        "testcase",
        classname=f"{NAME}.{category}",
        name=_text(f"{check.code} {check.statement}"),
        time=_seconds(result.seconds),
    )
    if _is_failure(result, strict=strict):
        fix = f"\nrun: {result.fix}" if result.fix else ""
        failure = ET.SubElement(case, "failure", message=_text(result.seen), type=result.status.value)
        failure.text = _text(f"{result.seen}\n{check.why}{fix}")
    elif result.status.value == "skipped":
        ET.SubElement(case, "skipped")
    return case


def _seen(results: Sequence[CheckResult]) -> Iterator[str]:
    for result in results:
        yield _text(f"{result.status.value} {result.check.code} {said(result)}")


def _is_failure(result: CheckResult, *, strict: bool) -> bool:
    return result.status.value == "failed" or (strict and result.status.value == "warning")


def _seconds(seconds: float) -> str:
    return f"{seconds:.3f}"


def _named(line: str) -> str:
    """Name by number what a terminal would obey, or would not show: the report may be printed on one."""
    return "".join(
        f"&#{ord(character)};" if plain.one_line(character) != character else character for character in line
    )


def _text(text: str) -> str:
    """XML has no way to write control characters, escaped or not."""
    return NOT_XML.sub("\ufffd", text)
