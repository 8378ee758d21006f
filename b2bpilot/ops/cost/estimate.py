"""This month's list price of the pipeline, and of the design with a polled queue that it replaced."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from b2bpilot.ops.cost.prices import PRICES, Prices
from b2bpilot.ops.cost.usage import Usage

GIGABYTE = 1_000_000_000
ALARMS, METRICS = 16, 10
"""As template.yaml has them."""

RUNS_A_MINUTE = 1
"""Of the stale processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """How the polled queue would have run: Lambda holds five receives of 20 seconds open, day and night, and each
    message is sent, received and deleted on its own, as it is while messages come one by one."""

    pollers: int = 5
    receive_seconds: int = 20
    requests_a_message: int = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One line of a bill. `quantity` None: CloudWatch has no data, so nothing is charged here. `is_monthly` is charged
    for the whole month whatever runs."""

    name: str
    quantity: float | None
    unit: str
    price: Decimal
    is_monthly: bool = False

    @property
    def dollars(self) -> Decimal:
        return Decimal(str(self.quantity or 0)) * self.price


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Both bills from the first of the month to `until`, without free tiers. `shared` is in both designs; `pipeline`
    and `polling` are what only one has; `monitoring` is charged to the pipeline, for template.yaml brings it along.
    `notes` say what the numbers leave out or take for granted."""

    since: datetime
    until: datetime
    prices: Prices
    shared: tuple[Item, ...]
    pipeline: tuple[Item, ...]
    monitoring: tuple[Item, ...]
    polling: tuple[Item, ...]
    notes: tuple[str, ...]

    @property
    def pipeline_dollars(self) -> Decimal:
        return _sum(self.shared + self.pipeline + self.monitoring)

    @property
    def polling_dollars(self) -> Decimal:
        return _sum(self.shared + self.polling)

    @property
    def pipeline_month_dollars(self) -> Decimal:
        """If the rest of the month goes on like this."""
        return _month(self.shared + self.pipeline + self.monitoring, self.elapsed_share)

    @property
    def polling_month_dollars(self) -> Decimal:
        return _month(self.shared + self.polling, self.elapsed_share)

    @property
    def elapsed_share(self) -> Decimal:
        """How much of the month is over, more than 0."""
        _, days = monthrange(self.since.year, self.since.month)
        elapsed = max(self.until - self.since, timedelta(hours=1))
        return Decimal(str(elapsed / timedelta(days=days)))


def estimate(used: Usage, *, prices: Prices = PRICES, assumptions: Assumptions | None = None) -> Estimate:
    """Put prices to what was used. Asks nobody."""
    return Estimate(
        since=used.since,
        until=used.until,
        prices=prices,
        shared=tuple(_shared(used, prices)),
        pipeline=tuple(_pipeline(used, prices)),
        monitoring=tuple(_monitoring(prices)),
        polling=tuple(_polling(used, prices, assumptions or Assumptions())),
        notes=tuple(_notes(used, prices, assumptions or Assumptions())),
    )


def _shared(used: Usage, prices: Prices) -> Iterator[Item]:
    yield Item(
        name="HTTP API", quantity=used.webhook_requests, unit="requests", price=prices.http_api_request
    )
    yield from _function(used, prices, "webhook")
    yield from _function(used, prices, "processor")
    yield Item(
        name="logs",
        quantity=None if used.log_bytes is None else used.log_bytes / GIGABYTE,
        unit="GB",
        price=prices.log_gigabyte,
    )
    yield Item(name="secret", quantity=1, unit="secrets", price=prices.secret_month, is_monthly=True)


def _pipeline(used: Usage, prices: Prices) -> Iterator[Item]:
    yield Item(name="SNS", quantity=used.published, unit="publishes", price=prices.sns_publish)
    yield from _function(used, prices, "stale")
    yield Item(
        name="scheduler",
        quantity=(used.until - used.since) / timedelta(minutes=1) * RUNS_A_MINUTE,
        unit="invocations",
        price=prices.scheduler_invocation,
    )
    yield from _function(used, prices, "redriver")
    yield Item(
        name="dead-letter queue", quantity=used.queue_requests, unit="requests", price=prices.sqs_request
    )


def _monitoring(prices: Prices) -> Iterator[Item]:
    yield Item(name="alarms", quantity=ALARMS, unit="alarms", price=prices.alarm_month, is_monthly=True)
    yield Item(name="metrics", quantity=METRICS, unit="metrics", price=prices.metric_month, is_monthly=True)
    yield Item(name="dashboard", quantity=1, unit="dashboards", price=prices.dashboard_month, is_monthly=True)


def _polling(used: Usage, prices: Prices, assumptions: Assumptions) -> Iterator[Item]:
    polls = (used.until - used.since) / timedelta(seconds=assumptions.receive_seconds) * assumptions.pollers
    messages = used.published
    yield Item(
        name="SQS, messages",
        quantity=None if messages is None else messages * assumptions.requests_a_message,
        unit="requests",
        price=prices.sqs_request,
    )
    yield Item(name="SQS, empty polls", quantity=polls, unit="requests", price=prices.sqs_request)


def _function(used: Usage, prices: Prices, part: str) -> Iterator[Item]:
    function = used.functions[part]
    yield Item(
        name=f"{part} function, runs",
        quantity=function.invocations,
        unit="requests",
        price=prices.lambda_request,
    )
    yield Item(
        name=f"{part} function, time",
        quantity=function.gb_seconds,
        unit="GB-s",
        price=prices.lambda_gb_second.get(function.architecture, prices.lambda_gb_second["x86_64"]),
    )


def _notes(used: Usage, prices: Prices, assumptions: Assumptions) -> Iterator[str]:
    yield (
        f"list prices of {prices.region} as of {prices.as_of:%Y-%m}, without free tiers, taxes, data transfer, NAT "
        "gateways and the database"
    )
    yield "the time of cold starts is billed, but is in no metric"
    yield (
        f"the polled queue: {assumptions.pollers} receives of {assumptions.receive_seconds} s always open, "
        f"{assumptions.requests_a_message} requests a message; the same functions, no alarms, metrics or dashboard"
    )
    if assumed := [part for part, function in used.functions.items() if function.is_assumed]:
        yield f"memory and processor as in template.yaml, for AWS did not say: {', '.join(assumed)}"


def _sum(items: tuple[Item, ...]) -> Decimal:
    return sum((item.dollars for item in items), Decimal(0))


def _month(items: tuple[Item, ...], elapsed_share: Decimal) -> Decimal:
    return sum(
        (item.dollars if item.is_monthly else item.dollars / elapsed_share for item in items), Decimal(0)
    )
