"""AWS's list prices in US dollars, us-east-1, without free tiers. Other regions differ by up to a third.

As of 2026-11, by public pages of that year or the last that name AWS's price list (aws.amazon.com/lambda/pricing, /sns,
/sqs, /api-gateway, /cloudwatch, /secrets-manager, /eventbridge). AWS's own list was not read by a program: check what you
rely on there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

MILLION = Decimal(1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars for one of each; `_month` ones for a whole month."""

    as_of: date = date(2026, 11, 1)
    region: str = "us-east-1"
    lambda_request: Decimal = Decimal("0.20") / MILLION
    lambda_gb_second: Mapping[str, Decimal] = field(
        default_factory=lambda: {"arm64": Decimal("0.0000133334"), "x86_64": Decimal("0.0000166667")}
    )
    sns_publish: Decimal = Decimal("0.50") / MILLION
    """Delivery to Lambda is free. One for each 64 KB of a message."""
    sqs_request: Decimal = Decimal("0.40") / MILLION
    """Empty receives are requests, too."""
    http_api_request: Decimal = Decimal("1.00") / MILLION
    log_gigabyte: Decimal = Decimal("0.50")
    scheduler_invocation: Decimal = Decimal("1.00") / MILLION
    alarm_month: Decimal = Decimal("0.10")
    metric_month: Decimal = Decimal("0.30")
    metric_read: Decimal = Decimal("0.01") / 1_000
    """GetMetricData, for each metric; the free tier has none of it."""
    dashboard_month: Decimal = Decimal("3.00")
    secret_month: Decimal = Decimal("0.40")


PRICES = Prices()
