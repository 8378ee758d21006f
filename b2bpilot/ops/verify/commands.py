"""Commands that depend on what was seen, as answers give them to the runner."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable

from b2bpilot.advice import Words, joined


def aws(*words: str) -> str:
    """Return an AWS CLI command."""
    return literal("aws", *words)


def literal(*words: str) -> str:
    """Return words quoted for a shell; their braces are meant, and stand for no output of the stack."""
    return shlex.join(words).replace("{", "{{").replace("}", "}}")


def set_subscription(arn: str, name: str, value: str) -> str:
    """Return the command that sets one attribute of a subscription."""
    return aws(
        "sns", "set-subscription-attributes", "--subscription-arn", arn, "--attribute-name", name,
        "--attribute-value", value,
    )  # fmt: skip


def document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def one_after_another(commands: Iterable[Words]) -> Words:
    return joined(" && ", list(commands))
