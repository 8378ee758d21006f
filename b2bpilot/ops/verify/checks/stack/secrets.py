"""Checks of the category `stack` that look at its secrets: without them no function can do anything."""

from __future__ import annotations

from functools import partial

from b2bpilot.aws.secrets import SecretState, read_secret_state
from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.environment import elsewhere
from b2bpilot.ops.verify import functions
from b2bpilot.ops.verify.check import Answer, Category, Check, fails, holds, unanswered, warns
from b2bpilot.ops.verify.commands import aws, one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.pipeline import database_secret
from b2bpilot.plural import many
from b2bpilot.twilio.rest import API_KEY, API_SECRET, EDGE, REGION, access_of, problems

ONLY_IN_SECRET = (API_KEY, API_SECRET, REGION, EDGE)
TWILIO_FIELDS = ("TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID")


def _secrets(deployment: Deployment) -> list[str]:
    """One of the release before is both."""
    return list(dict.fromkeys((deployment.stack.twilio_secret, deployment.stack.database_secret)))


def _state(deployment: Deployment, arn: str) -> SecretState:
    found: SecretState = deployment.ask(
        ("secret state", arn), lambda: read_secret_state(arn, deployment.client("secretsmanager"))
    )
    return found


def _exist(deployment: Deployment) -> Answer:
    states = {arn: _state(deployment, arn) for arn in _secrets(deployment)}
    gone = [arn for arn, state in states.items() if not state.exists]
    deleted = {arn: state.deleted_at for arn, state in states.items() if state.deleted_at}
    told = [
        *(f"{arn} does not exist; deploy the stack anew, with its parameters of secrets" for arn in gone),
        *(
            f"{arn} is marked for deletion ({at:%Y-%m-%d}), and can still be restored"
            for arn, at in deleted.items()
        ),
    ]
    if not told:
        return holds(", ".join(states))
    restore = [aws("secretsmanager", "restore-secret", "--secret-id", arn) for arn in deleted]
    return fails("; ".join(told), fix="" if gone else one_after_another(restore))


def _are_readable(deployment: Deployment) -> Answer:
    return holds(" and ".join(many(len(deployment.secret(arn)), "field") for arn in _secrets(deployment)))


def _are_complete(deployment: Deployment) -> Answer:
    twilio = [name for name in TWILIO_FIELDS if not deployment.twilio_secret.get(name)]
    database = database_secret.problems(deployment.database_secret, elsewhere(deployment.stack))
    told = [f"{deployment.stack.twilio_secret} has no {', '.join(twilio)}"] if twilio else []
    told += [f"{deployment.stack.database_secret} has {', '.join(database)}"] if database else []
    if not told:
        return holds(", ".join(sorted({*deployment.twilio_secret, *deployment.database_secret})))
    return fails(
        f"{'; '.join(told)}; write it into the secret in Secrets Manager, or deploy with the parameters of that meaning"
    )


def _is_carried_over(deployment: Deployment) -> Answer:
    stack = deployment.stack
    if stack.twilio_secret_arn == stack.secret_arn:
        return unanswered("this stack is of the release before: it has one secret for both")
    try:
        before = deployment.secret(stack.secret_arn)
    except SettingsInvalid:
        return holds("the secret of the release before holds nothing")
    now = deployment.secret(stack.twilio_secret_arn)
    added = [name for name in before if name.startswith("TWILIO_") and before[name] and not now.get(name)]
    if not added:
        return holds(f"nothing stands in {stack.secret_arn} alone")
    told = f"{', '.join(added)} of {stack.secret_arn} is not in {stack.twilio_secret_arn}: add it there in Secrets Manager"
    return warns(f"{told}, then deploy with OldSecret=allowed") if stack.reads_old_secret else fails(told)


def _all_reach_twilio_alike(deployment: Deployment) -> Answer:
    """A function's own variables are not read for these: the commands know the secret alone."""
    secret = deployment.twilio_secret
    access = access_of(secret, api_url=None)
    found = problems(access) if access else []
    for name in (*deployment.stack.processors, deployment.stack.webhook_function_name):
        function = functions.found(deployment, name)
        own = [each for each in ONLY_IN_SECRET if function and function.environment.get(each)]
        if own:
            found.append(f"{', '.join(own)} of {name} is not read: put it into the secret")
    if found:
        return fails("; ".join(found))
    told = [f"{each} {secret[each]}" for each in (REGION, EDGE, API_KEY) if secret.get(each)]
    return holds(", ".join(told) or "the account's token, in Twilio's region us1")


check = partial(Check, category=Category.STACK, actions=("secretsmanager:GetSecretValue",), needs=("B2B010",))

CHECKS = (
    check(
        code="B2B016",
        statement="the secrets exist",
        why="The functions read the way to the database and Twilio's token from them when they start.",
        fix="aws secretsmanager restore-secret --secret-id SECRET",
        probe=_exist,
        actions=("secretsmanager:DescribeSecret",),
    ),
    check(
        code="B2B017",
        statement="each secret is a JSON object that can be read",
        why="A function that cannot read its secret fails on every message.",
        probe=_are_readable,
        needs=("B2B016",),
    ),
    check(
        code="B2B018",
        statement="the secrets have the fields that the functions need",
        why="Without the token every webhook is refused, without the way to the database nothing is stored.",
        probe=_are_complete,
        needs=("B2B017",),
    ),
    check(
        code="B2B177",
        statement="what was added to the secret of the release before is in Twilio's secret",
        why="The functions do not read the old one any more: what a Shared Key or the secondary token signed is refused.",
        probe=_is_carried_over,
    ),
    check(
        code="B2B165",
        statement="the functions and the commands reach Twilio with the same credentials, in the same region",
        why="Replies would go to another place than the one where messages are compared and numbers are switched.",
        probe=_all_reach_twilio_alike,
        actions=("secretsmanager:GetSecretValue", *functions.READ),
        needs=("B2B018",),
    ),
)
