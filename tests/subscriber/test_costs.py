"""docs/subscribers.md says what a subscriber costs: its figures are those of the price table and of its own template."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from b2bpilot.ops.cost.estimate import Assumptions
from b2bpilot.ops.cost.prices import PRICES
from b2bpilot.ops.subscribers.new_filter import DEFAULT, read_filter
from b2bpilot.ops.subscribers.new_folder import NewSubscriber, Protocol
from b2bpilot.ops.verify.template import parse

PAGE = (Path(__file__).parents[2] / "docs" / "subscribers.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| ([^|]+?) \|([^|]*)\| (?:\*\*)?\$([0-9.]+)(?:\*\*)? \|$", re.MULTILINE)
MILLION = 1_000_000
SECONDS_A_MONTH = 30 * 24 * 3600
FUNCTION_SECONDS, LOG_KILOBYTES = Decimal("0.1"), Decimal("2.5")


def test_the_figures_are_those_of_the_price_table() -> None:
    template = parse(
        NewSubscriber(name="x", protocol=Protocol.QUEUE, filter_policy=read_filter(DEFAULT))
        .files()["template.yaml"]
        .decode()
    )
    resources = [*template["Resources"].values()]
    function = template["Resources"]["Function"]["Properties"]
    (architecture,) = function["Architectures"]
    polled = Assumptions()
    parts = {
        "alarms": sum(each["Type"] == "AWS::CloudWatch::Alarm" for each in resources) * PRICES.alarm_month,
        "a secret of its own": PRICES.secret_month,
        "with a queue also: Lambda's polls": (
            SECONDS_A_MONTH // polled.receive_seconds * polled.pollers * PRICES.sqs_request
        ),
        "runs": MILLION * PRICES.lambda_request,
        "their time": (
            MILLION * FUNCTION_SECONDS * function["MemorySize"] / 1024 * PRICES.lambda_gb_second[architecture]
        ),
        "log lines": LOG_KILOBYTES * PRICES.log_gigabyte,
        "with a queue also: in": MILLION * polled.requests_a_message * PRICES.sqs_request,
    }
    idle, queue = parts["alarms"] + parts["a secret of its own"], parts["with a queue also: Lambda's polls"]
    million = parts["runs"] + parts["their time"] + parts["log lines"]
    together = iter([idle, idle + queue, million, million + parts["with a queue also: in"]])

    rows = ROW.findall(PAGE)

    assert len(rows) == len(parts) + 4
    for label, _, dollars in rows:
        expected = next(together) if label == "together" else parts[label.partition(",")[0]]
        assert f"{expected:.4f}" == dollars, label
