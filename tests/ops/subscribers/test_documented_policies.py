"""The filter policies of the SNS Developer Guide, with the messages that it says they match and do not: "Example filter
policies", "AND/OR logic", "String value matching", "Numeric value matching", "Key matching"."""

from __future__ import annotations

import json
from typing import Any

import pytest

from b2bpilot.ops.subscribers.filter_policy import BODY_SCOPE, evaluate
from b2bpilot.pipeline.message import Encoded
from tests.ops.subscribers.test_filter_policy import attributes

ACCEPTING = {
    "store": ["example_corp"],
    "event": [{"anything-but": "order_cancelled"}],
    "customer_interests": ["rugby", "football", "baseball"],
    "price_usd": [{"numeric": [">=", 100]}],
}
REJECTING = {
    "store": ["example_corp"],
    "event": ["order_cancelled"],
    "encrypted": [False],
    "customer_interests": ["basketball", "baseball"],
}
PURCHASE = {
    "customer_interests": ["soccer", "rugby", "hockey"],
    "store": "example_corp",
    "event": "order_placed",
    "price_usd": 210.75,
}
BOTH = {"customer_interests": ["rugby"], "price_usd": [{"numeric": [">", 100]}]}
EITHER = {"customer_interests": ["rugby", "football", "baseball"]}
OR = {"source": ["aws.cloudwatch"], "$or": [{"metricName": ["CPUUtilization"]}, {"namespace": ["AWS/EC2"]}]}
OR_OF_SEVERAL = {
    "source": ["aws.cloudwatch"],
    "$or": [
        {"metricName": ["CPUUtilization", "ReadLatency"]},
        {"metricType": ["MetricType"], "$or": [{"metricId": [1234, 4321]}, {"spaceId": [1, 1000]}]},
    ],
}


def interests(condition: Any) -> dict[str, Any]:
    return {"customer_interests": [condition]}


CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    (ACCEPTING, PURCHASE, True),
    (REJECTING, PURCHASE, False),
    (BOTH, {"customer_interests": "rugby", "price_usd": 101}, True),
    (BOTH, {"customer_interests": "rugby", "price_usd": 100}, False),
    (BOTH, {"customer_interests": "tennis", "price_usd": 101}, False),
    (BOTH, {"customer_interests": "rugby"}, False),
    *[(EITHER, {"customer_interests": one}, True) for one in ("rugby", "football", "baseball")],
    (EITHER, {"customer_interests": "tennis"}, False),
    (OR, {"source": "aws.cloudwatch", "metricName": "CPUUtilization"}, True),
    (OR, {"source": "aws.cloudwatch", "namespace": "AWS/EC2"}, True),
    (OR, {"source": "aws.cloudwatch", "namespace": "AWS/S3"}, False),
    (OR, {"source": "aws.ec2", "metricName": "CPUUtilization", "namespace": "AWS/EC2"}, False),
    (OR_OF_SEVERAL, {"source": "aws.cloudwatch", "metricName": "ReadLatency"}, True),
    (OR_OF_SEVERAL, {"source": "aws.cloudwatch", "metricType": "MetricType", "spaceId": 1000}, True),
    (OR_OF_SEVERAL, {"source": "aws.cloudwatch", "metricType": "MetricType", "metricId": 1}, False),
    (OR_OF_SEVERAL, {"source": "aws.cloudwatch", "metricId": 1234}, False),
    (interests({"prefix": "bas"}), {"customer_interests": "baseball"}, True),
    (interests({"prefix": "bas"}), {"customer_interests": "basketball"}, True),
    (interests({"prefix": "bas"}), {"customer_interests": "rugby"}, False),
    (interests({"suffix": "ball"}), {"customer_interests": "baseball"}, True),
    (interests({"suffix": "ball"}), {"customer_interests": "rugby"}, False),
    (interests({"equals-ignore-case": "tennis"}), {"customer_interests": "TEnnis"}, True),
    (interests({"equals-ignore-case": "tennis"}), {"customer_interests": "Tennis"}, True),
    (interests({"equals-ignore-case": "tennis"}), {"customer_interests": "rugby"}, False),
    (interests({"anything-but": ["rugby", "tennis"]}), {"customer_interests": "baseball"}, True),
    (interests({"anything-but": ["rugby", "tennis"]}), {"customer_interests": "football"}, True),
    (interests({"anything-but": ["rugby", "tennis"]}), {"customer_interests": "rugby"}, False),
    ({"event": [{"anything-but": {"prefix": "order-"}}]}, {"event": "data-entry"}, True),
    ({"event": [{"anything-but": {"prefix": "order-"}}]}, {"event": "order_number"}, True),
    ({"event": [{"anything-but": {"prefix": "order-"}}]}, {"event": "order-cancelled"}, False),
    ({"source_ip": [{"cidr": "10.0.0.0/24"}]}, {"source_ip": "10.0.0.0"}, True),
    ({"source_ip": [{"cidr": "10.0.0.0/24"}]}, {"source_ip": "10.0.0.255"}, True),
    ({"source_ip": [{"cidr": "10.0.0.0/24"}]}, {"source_ip": "10.1.1.0"}, False),
    ({"price_usd": [{"numeric": ["=", 301.5]}]}, {"price_usd": 301.5}, True),
    ({"price_usd": [{"numeric": ["=", 301.5]}]}, {"price_usd": 3.015e2}, True),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": 101}, True),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": 100.1}, True),
    ({"price": [{"anything-but": [100, 500]}]}, {"price": 100}, False),
    ({"price_usd": [{"numeric": ["<", 0]}]}, {"price_usd": -1}, True),
    ({"price_usd": [{"numeric": ["<", 0]}]}, {"price_usd": 0}, False),
    ({"price_usd": [{"numeric": [">", 0, "<=", 150]}]}, {"price_usd": 150}, True),
    ({"price_usd": [{"numeric": [">", 0, "<=", 150]}]}, {"price_usd": 150.00001}, False),
    ({"price_usd": [{"numeric": [">", 0, "<=", 150]}]}, {"price_usd": 0}, False),
    ({"store": [{"exists": True}]}, {"store": "fans", "customer_interests": ["baseball"]}, True),
    ({"store": [{"exists": True}]}, {"customer_interests": ["baseball", "basketball"]}, False),
    ({"store": [{"exists": False}]}, {"store": "fans", "customer_interests": ["baseball"]}, False),
    ({"store": [{"exists": False}]}, {"customer_interests": ["baseball", "basketball"]}, True),
    ({"store": [{"exists": False}]}, {}, False),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "values", "accepts"), CASES)
def test_a_policy_of_the_guide_matches_what_it_says(
    policy: dict[str, Any], values: dict[str, Any], accepts: bool
) -> None:
    """Of attributes and of a body alike, as the guide has them side by side."""
    text = json.dumps(policy)
    assert evaluate(text, "MessageAttributes", attributes(**values)).accepts is accepts
    assert evaluate(text, BODY_SCOPE, Encoded(body=json.dumps(values), attributes={})).accepts is accepts
