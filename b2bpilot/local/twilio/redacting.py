"""What Message Redaction leaves of a message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def redacted(params: Mapping[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return them as Message Redaction leaves them: no text, and the other party's number without its end
    (docs/aws-facts.md#redaction)."""
    masked = {name: f"{params[name][:-4]}XXXX" for name in names if params.get(name)}
    return {**params, "Body": "", **masked}
