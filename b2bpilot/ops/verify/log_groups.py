"""A function's log group: there, not kept for ever, and written to when the function runs."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.log_groups import has_lines, log_group
from b2bpilot.aws.metrics import total
from b2bpilot.ops.verify.check import Answer, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import READ, Grant, grant_command
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import PERIOD_SECONDS, of_function, points
from b2bpilot.pipeline.arn import account_of, partition_of, region_of
from b2bpilot.plural import many

if TYPE_CHECKING:
    from types_boto3_logs import CloudWatchLogsClient

ACTIONS = (*READ, "logs:DescribeLogGroups", "logs:FilterLogEvents", *METRIC_ACTIONS)
LATELY = timedelta(hours=1)
ON_ITS_WAY = timedelta(seconds=2 * PERIOD_SECONDS)
"""Runs that are younger may have lines that CloudWatch does not show yet."""


def are_kept(deployment: Deployment, settings: FunctionSettings) -> Answer:
    client: CloudWatchLogsClient = deployment.client("logs")
    group = log_group(client, settings.log_group)
    if group is None:
        create = aws("logs", "create-log-group", "--log-group-name", settings.log_group)
        fix = one_after_another([create, _retention_command(settings)])
        return fails(f"log group {settings.log_group} does not exist", fix=fix)
    if group.retention_days is None:
        return fails(f"{group.name} keeps its lines for ever", fix=_retention_command(settings))
    kept = f"{group.name} keeps lines {many(group.retention_days, 'day')}"
    runs = _runs(deployment, settings)
    if not runs:
        return holds(f"{kept}; no run in the last hour that had to write")
    match has_lines(client, group.name, since=deployment.now - LATELY - ON_ITS_WAY):
        case True:
            return holds(f"{kept}; it has the last hour's")
        case None:
            return unanswered(f"{kept}; CloudWatch has not found out whether it has lines of the last hour")
    return fails(
        f"{many(runs, 'run')} in the last hour wrote nothing to {group.name}", fix=_write_command(settings)
    )


def _runs(deployment: Deployment, settings: FunctionSettings) -> int:
    found = points(deployment, of_function(settings.name, "Invocations"), within=LATELY)
    return round(total(point for point in found if point.at <= deployment.now - ON_ITS_WAY))


def _retention_command(settings: FunctionSettings) -> str:
    return aws(
        "logs", "put-retention-policy", "--log-group-name", settings.log_group, "--retention-in-days", "30"
    )


def _write_command(settings: FunctionSettings) -> str:
    partition, region, account = partition_of(settings.arn), region_of(settings.arn), account_of(settings.arn)
    group = f"arn:{partition}:logs:{region}:{account}:log-group:{settings.log_group}:*"
    grants = [
        Grant(action=f"logs:{action}", resource=group) for action in ("CreateLogStream", "PutLogEvents")
    ]
    return grant_command(settings.role_arn, grants, "b2bpilot-write-logs")
