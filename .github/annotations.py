"""Say what `b2bpilot verify -o junit` found as annotations of a GitHub workflow: `annotations.py verify.xml`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET


def annotations(report: str) -> Iterator[str]:
    """Yield a line for each failed check, and one that counts them all."""
    cases = list(ET.fromstring(report).iter("testcase"))
    failed = [case for case in cases if case.find("failure") is not None]
    for case in failed:
        yield f"::error title={_title(case.get('name', ''))}::{_text(_told(case))}"
    skipped = sum(case.find("skipped") is not None for case in cases)
    counts = f"{len(cases)} checks: {len(failed)} failed, {skipped} skipped"
    yield f"::notice title=b2bpilot verify::{counts}"


def _told(case: ET.Element) -> str:
    failure = case.find("failure")
    parts = (failure.get("message"), failure.text) if failure is not None else ()
    return "\n".join(part.strip() for part in parts if part)


def _text(text: str) -> str:
    """What a workflow command's text must not hold as it is."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _title(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")


if __name__ == "__main__":
    for line in annotations(Path(sys.argv[1]).read_text(encoding="utf-8")):
        print(line)
