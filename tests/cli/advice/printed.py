"""Every command of ours that the code can print, read from the code itself: a new one cannot be forgotten."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import b2bpilot

PACKAGE = Path(b2bpilot.__file__).parent
ROOT = PACKAGE.parent
NAMES = (
    r"(?:config|dlq|submissions|twilio|runs|local|completion) [a-z]+|(?:publish|load|inspect|logs|subscribers|status|verify|diagnose)\b"
    r"|(?:migrate|demo|doctor|explain)\b"
)
AS_TEXT = re.compile(rf"b2bpilot (?:-\S+ \S+ )*(?:{NAMES})")
FREE = {
    "ops/verify/documents.py": "the documentation's own text",
    "ops/verify/end_to_end_message.py": "the body of the test message",
    "ops/verify/checks/webhook.py": "the body of the probe",
    "ops/load/page.py": "the footer, which names the program",
    "local/twilio/resources.py": "the name of the double's account",
}
"""Where such text is no advice."""
ID, RUN, SID = (
    "7d1eea89-294a-5d6f-8bdc-73898d8ce9cc",
    "20261123T194501Z-redrive-3f9a",
    "MG0123456789abcdef0123456789abcdef",
)
PLACEHOLDERS = {
    "ID": ID,
    "MESSAGE_ID": ID,
    "MESSAGE_SID": SID.replace("MG", "SM"),
    "NUMBER": "+15005550006",
    "RUN": RUN,
    "URL": "https://example.com/webhook",
}
"""What a person is to put in; the rest of a command stands as it is to be run."""


@dataclass(frozen=True, slots=True)
class Printed:
    """A command where the code makes it. `expressions` stand for what is known only then."""

    where: str
    words: tuple[str, ...]


def sources(holding: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield the modules with this text in them: to parse all takes seconds."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if holding in (text := path.read_text(encoding="utf-8")):
            yield path.relative_to(PACKAGE).as_posix(), ast.parse(text)


def commands() -> Iterator[Printed]:
    """Yield each call of `our_command`, with a likely value for each word that is none in the code."""
    for name, module in sources("our_command("):
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "our_command":
                words = [word for argument in node.args for word in _words(argument)]
                yield Printed(f"{name}:{node.lineno}", tuple(words))


def texts() -> Iterator[tuple[str, str]]:
    """Yield each string of the code that holds a command of ours and is no docstring."""
    for name, module in sources("b2bpilot "):
        docstrings = set(map(id, _docstrings(module)))
        for node in ast.walk(module):
            if (
                isinstance(node, ast.Constant)
                and isinstance(node.value, str)
                and id(node) not in docstrings
                and AS_TEXT.search(node.value)
                and name not in FREE
            ):
                yield f"{name}:{node.lineno}", node.value


def _docstrings(module: ast.Module) -> Iterator[ast.Constant]:
    """The texts that stand alone: a docstring of what they follow, help among them, which is no advice."""
    for node in ast.walk(module):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value


def _words(node: ast.expr) -> list[str]:
    if isinstance(node, ast.Constant):
        return [PLACEHOLDERS.get(node.value, str(node.value))]
    if isinstance(node, ast.Starred):
        return _starred(node.value)
    return [_likely(ast.unparse(node))]


def _starred(node: ast.expr) -> list[str]:
    """Options that are there or not, and names that are chosen elsewhere."""
    text = ast.unparse(node)
    known = {
        "command.split()": ["dlq", "list"],
        "options": ["--group", "G1", "--since", "2026-11-23T19:45:01Z"],
        "only": ["--only", "deliveries"],
        "words": ["--status"],
        "which": ["--message-id", ID],
        "since": ["--since", "2026-11-23T19:45:01Z"],
        "CUTOVER.words": ["twilio", "cutover", "--to", "stack"],
        "service": ["--service", SID],
        "whose": ["--subscriber", "analytics"],
        "more": ["--fallback", "https://example.com/fallback"],
    }
    return known[text]


def _likely(text: str) -> str:
    if "run_id" in text or "discarded_by" in text:
        return RUN
    if "message_id" in text or text in ("wanted", "some", "text", "open_[0]", "dead_letter_id"):
        return ID
    likely = {
        "record.environment": "staging",
        "status": "failed",
        "SubmissionStatus.ABANDONED": "abandoned",
        "name": "text",
        "to": "queue",
        "first.id": "G1",
        "group.sample": ID,
        "group.id": "G1",
        "chosen": "bash",
        "owner": "analytics",
        "str(plan.path)": RUN,
        "str(place)": "analytics",
        "one.folder": "/home/ana/analytics",
        "one.name": "analytics",
        "self.name": "analytics",
        "subscription.arn": "arn:aws:sns:us-east-1:123456789012:t:7d1eea89-294a-5d6f-8bdc-73898d8ce9cc",
        "self.subscriber.name": "analytics",
        "self.trace.subscriber.name": "analytics",
        "service": SID,
        "region": "us-west-2",
        "since": "2026-11-23T19:45Z",
        "only": f"message.message_id == '{ID}'",
        "subscriber.name": "analytics",
        "check.code": "B2B079",
        "result.check.code": "B2B079",
    }
    return likely[text]
