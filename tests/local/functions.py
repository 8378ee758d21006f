"""Functions that are deployed into the local environment by tests; they do what their event says and write down when."""

from __future__ import annotations

import json
import logging
import time
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)
LOOK_SECONDS = 0.02


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Orders: `diary`, a file that gets a line at the begin and at the end; `seconds` to last; `while`, a file that it lasts
    as long as; `fail`, an error to raise. In one of our messages they are parameters."""
    order = json.loads(event["Records"][0]["Sns"]["Message"]) if "Records" in event else event
    order = order.get("params", order)
    _write(order, {"begin": time.time(), "request_id": context.aws_request_id, "event": event})
    logger.info("Got an order", extra={"event": "ordered", "number": order.get("number")})
    time.sleep(order.get("seconds", 0))  # the order: a run that lasts so long
    while "while" in order and Path(order["while"]).exists():
        time.sleep(LOOK_SECONDS)  # the order, too: only the file tells another process that it may end
    if "fail" in order:
        raise RuntimeError(order["fail"])
    _write(order, {"end": time.time(), "request_id": context.aws_request_id, "number": order.get("number")})
    return {"number": order.get("number")}


def _write(order: dict[str, Any], line: dict[str, Any]) -> None:
    with Path(order["diary"]).open("a", encoding="utf-8") as diary:
        diary.write(json.dumps(line) + "\n")
