"""Webhooks from the field: `tests/cases/NAME.json` holds a form's pairs in their order, or an object that is the JSON body."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lambdas.webhook_deployment import json_event, signed_form

FOLDER = Path(__file__).parents[1] / "cases"
CALLBACKS = ("15-status-callback",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    name: str
    document: Any

    @property
    def pairs(self) -> Sequence[tuple[str, str]]:
        """The parameters as they are to be stored."""
        if isinstance(self.document, list):
            return [(name, value) for name, value in self.document]
        texts = (
            (name, value if isinstance(value, str) else json.dumps(value))
            for name, value in self.document.items()
        )
        return list(texts)

    @property
    def request(self) -> dict[str, Any]:
        return signed_form(self.pairs) if isinstance(self.document, list) else json_event(self.document)


CASES = [
    Case(name=path.stem, document=json.loads(path.read_text())) for path in sorted(FOLDER.glob("*.json"))
]
MESSAGES = [case for case in CASES if case.name not in CALLBACKS]
