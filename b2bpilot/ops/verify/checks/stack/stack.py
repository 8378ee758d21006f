"""Checks of the category `stack`: is there a deployment, is it whole, and is it this version's."""

from __future__ import annotations

from functools import partial

from b2bpilot import resources
from b2bpilot.advice import our_command
from b2bpilot.aws.stack import StackOutdated
from b2bpilot.aws.stack_state import StackState, read_state, read_template
from b2bpilot.errors import EnvironmentUnknown
from b2bpilot.ops.environment import is_production
from b2bpilot.ops.verify import template
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, unanswered
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.fixes import told

DEPLOY = our_command("deploy")
"""Not `sam build && sam deploy`: on x86_64 that would build for arm64."""
DETECT_DRIFT = "aws cloudformation detect-stack-drift --stack-name {stack_name}"
SHOW_DRIFT = "`aws cloudformation describe-stack-resource-drifts`"
SHOWN = 3


def _state(deployment: Deployment) -> StackState:
    found: StackState = deployment.ask(
        "stack state", lambda: read_state(deployment.client("cloudformation"), deployment.stack.stack_name)
    )
    return found


def _exists(deployment: Deployment) -> Answer:
    try:
        return holds(f"{deployment.stack.stack_name} with all outputs")
    except EnvironmentUnknown as exc:
        return fails(told(exc, deployment, "; "), may_change=True)
    except StackOutdated as exc:
        return fails(told(exc, deployment, "; "), may_change=exc.is_changing)


def _is_complete(deployment: Deployment) -> Answer:
    state = _state(deployment)
    reason = f": {state.reason}" if state.reason else ""
    if state.is_complete:
        return holds(state.status)
    if state.is_changing:
        return fails(f"the stack is in {state.status}{reason}", may_change=True, fix="")
    if state.status == "UPDATE_ROLLBACK_COMPLETE":
        return fails(
            "the stack is in UPDATE_ROLLBACK_COMPLETE: what runs is the version before the last deploy"
        )
    return fails(
        f"the stack is in {state.status}{reason}; see its events, and fix or delete it before the next deploy",
        fix="",
    )


def deployed_template(deployment: Deployment) -> str:
    found: str = deployment.ask(
        "template", lambda: read_template(deployment.client("cloudformation"), deployment.stack.stack_name)
    )
    return found


def _is_this_version(deployment: Deployment) -> Answer:
    deployed = deployed_template(deployment)
    if not deployed:
        return unanswered("CloudFormation does not give the template")
    ours = resources.template().read_text(encoding="utf-8")
    found = template.differences(template.parse(deployed), template.parse(ours))
    if not found:
        return holds("the deployed template is this version's")
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return fails(f"not as in this version's template: {', '.join(found[:SHOWN])}{more}")


def _is_unchanged(deployment: Deployment) -> Answer:
    state = _state(deployment)
    when = f" at {state.drift_checked_at:%Y-%m-%d %H:%M} UTC" if state.drift_checked_at else ""
    match state.drift:
        case "IN_SYNC":
            return holds(f"in sync when it was looked for{when}")
        case "DRIFTED":
            return fails(f"resources were changed by hand, as was seen{when}; {SHOW_DRIFT} names them")
        case "NOT_CHECKED":
            return unanswered(
                f"nobody has looked yet: {DETECT_DRIFT.format(stack_name=deployment.stack.stack_name)}"
            )
    return unanswered(f"CloudFormation does not know: {state.drift}")


def _is_protected(deployment: Deployment) -> Answer:
    if not is_production(deployment.name):
        return holds("not production")
    if _state(deployment).is_protected is None:
        return unanswered("CloudFormation does not say")
    if _state(deployment).is_protected:
        return holds("termination protection is on")
    return fails(
        "termination protection is off: one wrong command deletes the webhook and everything behind it"
    )


check = partial(Check, category=Category.STACK, actions=("cloudformation:DescribeStacks",), needs=("B2B010",))

CHECKS = (
    check(
        code="B2B010",
        statement="the stack exists and has the outputs of this version",
        why="Everything else is found through them.",
        fix=DEPLOY,
        probe=_exists,
        needs=("B2B001",),
    ),
    check(
        code="B2B011",
        statement="its last deploy succeeded",
        why="After a deploy that failed, part of the stack may be missing or be an older version.",
        fix=DEPLOY,
        probe=_is_complete,
    ),
    check(
        code="B2B012",
        statement="what is deployed is this version's template",
        why="These checks know this version's resources; another version's may be right and look wrong.",
        fix=DEPLOY,
        probe=_is_this_version,
        severity=Severity.WARNING,
        actions=("cloudformation:GetTemplate",),
    ),
    check(
        code="B2B013",
        statement="nobody changed its resources by hand",
        why="The next deploy may undo the change, or fail on it.",
        probe=_is_unchanged,
        severity=Severity.WARNING,
    ),
    check(
        code="B2B014",
        statement="production is protected from deletion",
        why="Without its stack nothing takes Twilio's messages; what outlives it works again only after a deploy.",
        fix="aws cloudformation update-termination-protection --enable-termination-protection --stack-name {stack_name}",
        probe=_is_protected,
        severity=Severity.WARNING,
    ),
)
