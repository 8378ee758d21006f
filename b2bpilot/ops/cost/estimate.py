"""The list price so far this month of the pipeline, and of the design with a polled queue that it replaced."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from b2bpilot.ops.cost.prices import PRICES, Prices
from b2bpilot.ops.cost.usage import Usage

GIGABYTE = 1_000_000_000
ALARMS, METRICS = 17, 10
EXPRESS_ALARMS = 3
"""As template.yaml has them."""
READS_A_RUN = 2
"""Metrics that a run of the stale processor asks CloudWatch for."""
LOGS = "logs"
LEAST = timedelta(hours=1)
"""Of less than that no month can be told."""

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
class CostItem:
    """One line of a bill. `quantity` None: CloudWatch has no data, so nothing is charged here. `is_monthly` is charged by
    the month whatever runs, for the `share` of it that is over."""

    name: str
    quantity: float | None
    unit: str
    price: Decimal
    is_monthly: bool = False
    share: Decimal = Decimal(1)

    @property
    def dollars(self) -> Decimal:
        return Decimal(str(self.quantity or 0)) * self.price * self.share


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Both bills from `since` to `until`, without free tiers. `shared` is in both designs; `pipeline` and `polling` are what
    only one has; `monitoring` is charged to the pipeline, for template.yaml brings it along. `notes` say what the numbers
    leave out or take for granted."""

    since: datetime
    until: datetime
    prices: Prices
    shared: tuple[CostItem, ...]
    pipeline: tuple[CostItem, ...]
    monitoring: tuple[CostItem, ...]
    polling: tuple[CostItem, ...]
    notes: tuple[str, ...]
    is_since_creation: bool = False

    @property
    def pipeline_dollars(self) -> Decimal:
        return _sum(self.shared + self.pipeline + self.monitoring)

    @property
    def polling_dollars(self) -> Decimal:
        return _sum(self.shared + self.polling)

    @property
    def monitoring_dollars(self) -> Decimal:
        """Alarms, metrics and dashboard, and the logs, which both designs write."""
        return _sum((*self.monitoring, *(item for item in self.shared if item.name == LOGS)))

    def month(self, dollars: Decimal) -> Decimal | None:
        """Return what a whole month like this costs; None while it is too short to tell."""
        return dollars / self.elapsed_share if self.elapsed >= LEAST else None

    @property
    def month_of_fixed_dollars(self) -> Decimal:
        """What is charged by the month whatever runs."""
        return (
            _sum(tuple(one for one in self.shared + self.monitoring if one.is_monthly)) / self.elapsed_share
        )

    @property
    def elapsed(self) -> timedelta:
        return max(self.until - self.since, timedelta(seconds=1))

    @property
    def elapsed_share(self) -> Decimal:
        return share_of_month(self.since, self.elapsed)


def share_of_month(since: datetime, elapsed: timedelta) -> Decimal:
    _, days = monthrange(since.year, since.month)
    return Decimal(str(elapsed / timedelta(days=days)))


def estimate(used: Usage, *, prices: Prices = PRICES, assumptions: Assumptions | None = None) -> Estimate:
    """Put prices to what was used. Asks nobody."""
    return Estimate(
        since=used.since,
        until=used.until,
        prices=prices,
        shared=tuple(_shared(used, prices)),
        pipeline=tuple(_pipeline(used, prices)),
        monitoring=tuple(_monitoring(used, prices)),
        polling=tuple(_polling(used, prices, assumptions or Assumptions())),
        notes=tuple(_notes(used, prices, assumptions or Assumptions())),
        is_since_creation=used.is_since_creation,
    )


def _shared(used: Usage, prices: Prices) -> Iterator[CostItem]:
    yield CostItem(
        name="HTTP API", quantity=used.webhook_requests, unit="requests", price=prices.http_api_request
    )
    yield from _function(used, prices, "webhook")
    yield from _function(used, prices, "processor")
    yield CostItem(
        name=LOGS,
        quantity=None if used.log_bytes is None else used.log_bytes / GIGABYTE,
        unit="GB",
        price=prices.log_gigabyte,
    )
    yield _monthly(used, "secret", used.secrets, "secrets", prices.secret_month)


def _pipeline(used: Usage, prices: Prices) -> Iterator[CostItem]:
    yield CostItem(name="SNS", quantity=used.published, unit="publishes", price=prices.sns_publish)
    yield from _function(used, prices, "stale")
    yield CostItem(
        name="scheduler",
        quantity=used.elapsed // timedelta(minutes=1) * RUNS_A_MINUTE,
        unit="invocations",
        price=prices.scheduler_invocation,
    )
    yield from _function(used, prices, "redriver")
    if "express" in used.functions:
        yield from _function(used, prices, "express")
    yield CostItem(
        name="dead-letter queue", quantity=used.queue_requests, unit="requests", price=prices.sqs_request
    )
    if used.message_queue_requests:
        yield CostItem(
            name="message queue",
            quantity=used.message_queue_requests,
            unit="requests",
            price=prices.sqs_request,
        )


def _monitoring(used: Usage, prices: Prices) -> Iterator[CostItem]:
    yield _monthly(used, "alarms", ALARMS, "alarms", prices.alarm_month)
    if "express" in used.functions:
        yield _monthly(used, "express alarms", EXPRESS_ALARMS, "alarms", prices.alarm_month)
    yield _monthly(used, "metrics", METRICS, "metrics", prices.metric_month)
    yield _monthly(used, "dashboard", 1, "dashboards", prices.dashboard_month)
    runs = used.functions["stale"].invocations
    yield CostItem(
        name="metrics read",
        quantity=None if runs is None else runs * READS_A_RUN,
        unit="metrics",
        price=prices.metric_read,
    )


def _monthly(used: Usage, name: str, quantity: int, unit: str, price: Decimal) -> CostItem:
    share = share_of_month(used.since, used.elapsed)
    return CostItem(name=name, quantity=quantity, unit=unit, price=price, is_monthly=True, share=share)


def _polling(used: Usage, prices: Prices, assumptions: Assumptions) -> Iterator[CostItem]:
    polls = used.elapsed // timedelta(seconds=assumptions.receive_seconds) * assumptions.pollers
    messages = used.published
    yield CostItem(
        name="SQS, messages",
        quantity=None if messages is None else messages * assumptions.requests_a_message,
        unit="requests",
        price=prices.sqs_request,
    )
    yield CostItem(name="SQS, empty polls", quantity=polls, unit="requests", price=prices.sqs_request)


def _function(used: Usage, prices: Prices, part: str) -> Iterator[CostItem]:
    function = used.functions[part]
    yield CostItem(
        name=f"{part} function, runs",
        quantity=function.invocations,
        unit="requests",
        price=prices.lambda_request,
    )
    yield CostItem(
        name=f"{part} function, time",
        quantity=function.gb_seconds,
        unit="GB-s",
        price=prices.lambda_gb_second.get(function.architecture, prices.lambda_gb_second["x86_64"]),
    )


def _notes(used: Usage, prices: Prices, assumptions: Assumptions) -> Iterator[str]:
    yield (
        f"list prices of {prices.region} as of {prices.as_of:%Y-%m}, without free tiers, taxes, data transfer, NAT "
        "gateways, logs kept after they came in, and the database"
    )
    yield "the time of cold starts is billed, but is in no metric"
    yield "alarms, metrics and the dashboard as in template.yaml; a metric is billed only for hours in which it has data"
    yield (
        f"the polled queue: {assumptions.pollers} receives of {assumptions.receive_seconds} s always open, "
        f"{assumptions.requests_a_message} requests a message; the same functions, no alarms, metrics or dashboard"
    )
    if assumed := [part for part, function in used.functions.items() if function.is_assumed]:
        yield f"memory and processor as in template.yaml, for AWS did not say: {', '.join(assumed)}"


def _sum(items: tuple[CostItem, ...]) -> Decimal:
    return sum((item.dollars for item in items), Decimal(0))
