"""Checks of the category `stack` that look at its secret: without it no function can do anything."""

from __future__ import annotations

from b2bpilot.aws.secrets import SecretState, read_secret_state
from b2bpilot.ops.verify import functions
from b2bpilot.ops.verify.check import Answer, Category, Check, fails, holds
from b2bpilot.ops.verify.world import World
from b2bpilot.twilio.rest import API_KEY, API_SECRET, EDGE, REGION, access_of, problems

ONLY_IN_SECRET = (API_KEY, API_SECRET, REGION, EDGE)
FIELDS = ("DATABASE_URL", "TWILIO_AUTH_TOKEN", "TWILIO_ACCOUNT_SID")


def _exists(world: World) -> Answer:
    arn = world.stack.secret_arn
    state: SecretState = world.ask(
        "secret state", lambda: read_secret_state(arn, world.client("secretsmanager"))
    )
    if not state.exists:
        return fails(
            f"{arn} does not exist; deploy the stack anew, with its three secret parameters", mend=""
        )
    if state.deleted_at:
        return fails(
            f"the secret is marked for deletion ({state.deleted_at:%Y-%m-%d}), and can still be restored"
        )
    return holds(arn)


def _is_readable(world: World) -> Answer:
    return holds(f"{len(world.secret)} fields")


def _is_complete(world: World) -> Answer:
    missing = [name for name in FIELDS if not world.secret.get(name)]
    if not missing:
        return holds(", ".join(sorted(world.secret)))
    return fails(
        f"the secret lacks {', '.join(missing)}; add it in Secrets Manager, or deploy with the parameters of that name"
    )


def _all_reach_twilio_alike(world: World) -> Answer:
    """A function's own variables are not read for these: the commands know the secret alone."""
    access = access_of(world.secret, api_url=None)
    found = problems(access) if access else []
    for name in (world.stack.processor_function_name, world.stack.webhook_function_name):
        function = functions.found(world, name)
        own = [each for each in ONLY_IN_SECRET if function and function.environment.get(each)]
        if own:
            found.append(f"{', '.join(own)} of {name} is not read: put it into the secret")
    if found:
        return fails("; ".join(found))
    told = [f"{each} {world.secret[each]}" for each in (REGION, EDGE, API_KEY) if world.secret.get(each)]
    return holds(", ".join(told) or "the account's token, in Twilio's region us1")


CHECKS = (
    Check(
        code="B2B016",
        category=Category.STACK,
        statement="the secret exists",
        why="All functions read the database's URL and Twilio's token from it when they start.",
        mend="aws secretsmanager restore-secret --secret-id {secret_arn}",
        probe=_exists,
        actions=("secretsmanager:DescribeSecret",),
        needs=("B2B010",),
    ),
    Check(
        code="B2B017",
        category=Category.STACK,
        statement="the secret is a JSON object that can be read",
        why="A function that cannot read it fails on every message.",
        mend="",
        probe=_is_readable,
        actions=("secretsmanager:GetSecretValue",),
        needs=("B2B016",),
    ),
    Check(
        code="B2B018",
        category=Category.STACK,
        statement="the secret has the fields that the functions need",
        why="Without the token every webhook is refused, without the URL nothing is stored.",
        mend="",
        probe=_is_complete,
        actions=("secretsmanager:GetSecretValue",),
        needs=("B2B017",),
    ),
    Check(
        code="B2B165",
        category=Category.STACK,
        statement="the functions and the commands reach Twilio with the same credentials, in the same region",
        why="Replies would go to another place than the one where messages are compared and numbers are switched.",
        mend="",
        probe=_all_reach_twilio_alike,
        actions=("secretsmanager:GetSecretValue", *functions.READ),
        needs=("B2B018",),
    ),
)
