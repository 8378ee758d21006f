"""AWS's clock, as the Date of every answer tells it, a refusal's too."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from b2bpilot.pipeline.clock import HostClock, read_date

if TYPE_CHECKING:
    from botocore.client import BaseClient

AWS = "AWS"


def hear_clock(client: BaseClient, clock: HostClock) -> None:
    """Let every answer to this client tell `clock` the time. It costs no call."""
    asked = threading.local()

    def ask(**_: object) -> None:
        asked.at = clock.machine()

    def hear(*, response_dict: Mapping[str, Any] | None = None, **_: object) -> None:
        headers = (response_dict or {}).get("headers") or {}
        if (began := getattr(asked, "at", None)) is not None:
            clock.hear(headers.get("date"), asked_at=began)

    client.meta.events.register_last("request-created", ask)  # signed by then, as late as it gets
    client.meta.events.register("response-received", hear)


def answered_at(answer: Mapping[str, Any]) -> datetime | None:
    """Return when AWS answered; None where it does not say."""
    return read_date(answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date"))
