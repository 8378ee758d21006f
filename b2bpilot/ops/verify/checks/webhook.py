"""Checks of the category `webhook`: Twilio's request reaches the function, is verified, and can be published."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from b2bpilot.advice import our_command
from b2bpilot.aws import api as apis
from b2bpilot.aws.api import Api
from b2bpilot.aws.function_settings import FunctionSettings
from b2bpilot.aws.policies import function_policy
from b2bpilot.ops.rejections import PROBE_SID
from b2bpilot.ops.subscribers.admission import admits_service
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.commands import aws
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.functions import (
    READ,
    SIMULATE,
    Grant,
    Reads,
    environment_command,
    existing,
    has_timeout,
    is_allowed,
    is_ready,
    is_told,
)
from b2bpilot.ops.verify.log_groups import ACTIONS as LOG_ACTIONS
from b2bpilot.ops.verify.log_groups import are_kept
from b2bpilot.ops.verify.measured import ACTIONS as METRIC_ACTIONS
from b2bpilot.ops.verify.measured import count, of_api, of_function, of_stack
from b2bpilot.ops.verify.shared import shared
from b2bpilot.pipeline.arn import account_of, partition_of, region_of
from b2bpilot.plural import many
from b2bpilot.twilio.webhook import WebhookClient, WebhookUnreachable

if TYPE_CHECKING:
    from types_boto3_apigatewayv2 import ApiGatewayV2Client

ROUTE = "POST /webhook"
TIMEOUT_SECONDS = 10
READS = Reads(twilio=True)


def _function(deployment: Deployment) -> FunctionSettings:
    return existing(deployment, deployment.stack.webhook_function_name)


def _ready(deployment: Deployment) -> Answer:
    return is_ready(deployment, deployment.stack.webhook_function_name)


def _api(deployment: Deployment) -> Api | None:
    client: ApiGatewayV2Client = deployment.client("apigatewayv2")
    return apis.api(client, deployment.stack.api_id)


def _routed(deployment: Deployment) -> Answer:
    api_id, function = deployment.stack.api_id, _function(deployment)
    api = _api(deployment)
    if api is None:
        return fails(f"there is no API {api_id}")
    route = api.route(ROUTE)
    leads_there = [one for one in api.integrations if one.function_arn == function.arn]
    if route and route.integration in leads_there:
        return holds(f"{ROUTE} of API {api_id} calls {function.name}")
    if route and route.integration:
        told = f"{ROUTE} of API {api_id} calls {route.integration.uri or 'nothing'}"
        return fails(told, fix=_redirect_command(api_id, route.integration.integration_id, function))
    told = f"{ROUTE} of API {api_id} leads nowhere" if route else f"API {api_id} has no route {ROUTE}"
    if not leads_there:
        return fails(f"{told}, and nothing in it calls {function.name}")
    target = f"integrations/{leads_there[0].integration_id}"
    options = ("--route-id", route.route_id) if route else ("--route-key", ROUTE)
    verb = "update-route" if route else "create-route"
    return fails(told, fix=aws("apigatewayv2", verb, "--api-id", api_id, *options, "--target", target))


def _redirect_command(api_id: str, integration_id: str, function: FunctionSettings) -> str:
    return aws(
        "apigatewayv2", "update-integration", "--api-id", api_id, "--integration-id", integration_id,
        "--integration-uri", function.arn,
    )  # fmt: skip


def _callable(deployment: Deployment) -> Answer:
    function = _function(deployment)
    partition, region, account = partition_of(function.arn), region_of(function.arn), account_of(function.arn)
    api = f"arn:{partition}:execute-api:{region}:{account}:{deployment.stack.api_id}"
    policy = function_policy(shared(deployment), function.arn)
    service, action = "apigateway.amazonaws.com", "lambda:InvokeFunction"
    source = f"{api}/$default/POST/webhook"
    match admits_service(policy.text, service, action=action, source_arn=source):
        case True:
            return holds(f"{service} for {source}")
        case None:
            return unanswered("the function's policy uses what this version does not know")
    return fails(
        "the function's policy does not let this API call it",
        fix=aws(
            "lambda", "add-permission", "--function-name", function.name, "--action", action,
            "--statement-id", f"b2bpilot-api-{deployment.now:%Y%m%d%H%M%S}",
            "--principal", service, "--source-arn", f"{api}/*/POST/webhook",
        ),
    )  # fmt: skip


def _answers(deployment: Deployment) -> Answer:
    """A wrong signature: refused before anything is read or stored."""
    url = deployment.stack.webhook_url
    place = without_secrets(url)
    try:
        with WebhookClient(url, auth_token="") as client:  # nosec B106  # it signs nothing
            answer = client.post({"MessageSid": PROBE_SID, "Body": "b2bpilot verify"}, signature="none")
    except WebhookUnreachable as exc:
        reason = str(exc.__cause__) or type(exc.__cause__).__name__
        return fails(f"{place} did not answer: {reason}", may_change=True)
    if answer.status == HTTPStatus.FORBIDDEN:
        return holds(f"403 from {place} after {answer.seconds * 1000:,.0f} ms")
    is_ours = answer.status < HTTPStatus.INTERNAL_SERVER_ERROR
    return fails(f"{place} answered {answer.status} instead of 403", may_change=not is_ours)


def _public_url(deployment: Deployment) -> Answer:
    """Without a command where a URL holds a password or a key: what is printed may be kept."""
    function, wanted = _function(deployment), deployment.stack.webhook_url
    told = function.environment.get("PUBLIC_WEBHOOK_URL", "")
    others = [url for url in other_urls(function) if url != wanted]
    if told == wanted:
        return holds(", and over ".join(map(without_secrets, [told, *others])))
    is_secret = any(urlsplit(url).query or urlsplit(url).username for url in (wanted, *others))
    over = without_secrets(told) if told else "none"
    seen = f"the webhook function verifies signatures over {over}, and the stack's URL is {without_secrets(wanted)}"
    if is_secret:
        return fails(f"{seen}; set it to the stack's output WebhookUrl", fix="")
    return fails(seen, fix=environment_command(function, {"PUBLIC_WEBHOOK_URL": wanted}))


def other_urls(function: FunctionSettings) -> list[str]:
    """Return the URLs over which the webhook verifies signatures beside the stack's, as while that is moved."""
    names = ("API_WEBHOOK_URL", "PREVIOUS_WEBHOOK_URL")
    return [url for name in names if (url := function.environment.get(name))]


def without_secrets(url: str) -> str:
    """Return the URL without user, password and query, which may be secrets."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}{'?...' if parts.query else ''}"


def _told(deployment: Deployment) -> Answer:
    stack = deployment.stack
    return is_told(_function(deployment), {"SNS_TOPIC_ARN": stack.topic_arn, **READS.variables(stack)})


def _allowed(deployment: Deployment) -> Answer:
    grants = [
        Grant(action="sns:Publish", resource=deployment.stack.topic_arn),
        *READS.grants(deployment.stack),
    ]
    return is_allowed(deployment, _function(deployment).role_arn, grants, policy="b2bpilot-webhook")


def _no_server_errors(deployment: Deployment) -> Answer:
    errors, requests = (
        count(deployment, of_api(deployment, "5xx")),
        count(deployment, of_api(deployment, "Count")),
    )
    if errors:
        return fails(f"{errors:,} of {many(requests, 'request')} of the last day were answered 5xx")
    runs = count(deployment, of_function(deployment.stack.webhook_function_name, "Invocations"))
    if runs and not requests:
        return unanswered(
            f"CloudWatch counts no requests of API {deployment.stack.api_id}, though {runs:,} came"
        )
    return holds(f"none in {many(requests, 'request')} of the last day")


def _no_status_callbacks(deployment: Deployment) -> Answer:
    reports = count(deployment, of_stack(deployment, "StatusCallbacks"))
    if reports:
        return fails(
            f"{many(reports, 'status callback')} in the last day: a number, a service or a sent message names this URL for them"
        )
    return holds("none in the last day")


check = partial(Check, category=Category.WEBHOOK, actions=READ, needs=("B2B020",))

CHECKS = (
    check(
        code="B2B020",
        statement="the webhook function is there and ready",
        why="Without it every message that Twilio sends is answered with an error.",
        probe=_ready,
        needs=("B2B010",),
    ),
    check(
        code="B2B021",
        statement=f"the API's route {ROUTE} calls the webhook function",
        why="Twilio's requests end at the API.",
        probe=_routed,
        actions=(*READ, apis.ACTION),
    ),
    check(
        code="B2B022",
        statement="the API may call the webhook function",
        why="The API answers 500 without calling it.",
        fix="aws lambda add-permission --function-name {webhook_function_name} --statement-id b2bpilot-api "
        "--action lambda:InvokeFunction --principal apigateway.amazonaws.com "
        "--source-arn 'arn:{partition}:execute-api:{region}:{account_id}:{api_id}/*/POST/webhook'",
        probe=_callable,
        actions=(*READ, "lambda:GetPolicy"),
    ),
    check(
        code="B2B023",
        statement="the webhook's URL answers 403 to a request with a wrong signature",
        why="Then name, certificate, API, function, secret and signature check work together; nothing is stored.",
        fix=our_command("logs", "webhook"),
        probe=_answers,
        needs=("B2B020", "B2B021"),
        unless_failed=("B2B022", "B2B024", "B2B025", "B2B026"),
        actions=(),
    ),
    check(
        code="B2B024",
        statement="the webhook function verifies signatures over the stack's public URL",
        why="Signed over another URL, every message of Twilio's is refused with 403 and lost.",
        probe=_public_url,
    ),
    check(
        code="B2B025",
        statement="the webhook function has this stack's topic and secret",
        why="It would publish elsewhere, or know the wrong token.",
        probe=_told,
    ),
    check(
        code="B2B026",
        statement="the webhook function's role may publish to the topic and read the secret",
        why="Else it answers 503, and Twilio gives up after its retries.",
        probe=_allowed,
        actions=SIMULATE,
    ),
    check(
        code="B2B027",
        statement=f"the webhook function has a timeout of {TIMEOUT_SECONDS} s",
        why="Less cuts a slow publish off; with more Twilio, which waits 15 s at most, has gone before the answer.",
        fix="aws lambda update-function-configuration --function-name {webhook_function_name} "
        f"--timeout {TIMEOUT_SECONDS}",
        probe=lambda deployment: has_timeout(_function(deployment), TIMEOUT_SECONDS),
    ),
    check(
        code="B2B028",
        statement="the webhook function's log is written and kept for a time",
        why="Why a message was refused is recorded nowhere else.",
        probe=lambda deployment: are_kept(deployment, _function(deployment)),
        severity=Severity.WARNING,
        actions=LOG_ACTIONS,
    ),
    check(
        code="B2B029",
        statement="the webhook answered no request of the last day with 5xx",
        why="Twilio loses such a message unless its retries or the fallback URL take it.",
        fix=our_command("logs", "webhook", "--since", "24h", "--level", "warning"),
        probe=_no_server_errors,
        severity=Severity.WARNING,
        actions=METRIC_ACTIONS,
        needs=("B2B010",),
    ),
    check(
        code="B2B125",
        statement="no status callbacks reached the webhook in the last day",
        why="They are reports about sent messages: answered and not stored. Each costs a request, and the "
        "system that expects them does not get them.",
        fix=our_command("logs", "webhook", "--since", "24h", "--filter", "event=status_callback"),
        probe=_no_status_callbacks,
        severity=Severity.WARNING,
        actions=METRIC_ACTIONS,
        needs=("B2B010",),
    ),
)
