"""What each subscriber of a topic is called: a name that means it alone, for whoever types `--subscriber`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from b2bpilot.advice import our_command
from b2bpilot.aws.subscriptions import Listed, Subscription
from b2bpilot.errors import UsageError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.owner import endpoint_name
from b2bpilot.ops.recipient import EXPRESS, PROCESSOR
from b2bpilot.ops.subscribers.health import T, is_express_s, is_ours, is_processor_s, others, processors
from b2bpilot.ops.subscribers.names import suffix
from b2bpilot.pipeline.arn import function_name, name_of

FORMS = 4
"""In so many a subscriber may be asked for."""


def resource_name(endpoint: str) -> str:
    """Return a function's or queue's name from its ARN; what is no ARN stays as it is."""
    return name_of(function_name(endpoint)) if endpoint.startswith("arn:") else endpoint


def short_name(endpoint: str, environment: str) -> str:
    """Return the name that `subscribers new` gave, or the resource's own (docs/decisions/0038-subscribers.md)."""
    return resource_name(endpoint).removesuffix(suffix(environment))


def meanings(found: Sequence[T], environment: Environment) -> Mapping[str, Sequence[T]]:
    """Return what each text stands for. An exact one hides a shorter one: a resource called `crm` is meant by crm, and not
    crm-b2b-pilot-prod. Nobody else's is `processor`, nor `express` where there is an express lane."""
    stack = environment.stack
    index = {PROCESSOR: processors(found, stack)}
    if express := [one for one in found if is_express_s(one, stack)]:
        index[EXPRESS] = express
    for place in range(FORMS):
        named: dict[str, list[T]] = {}
        for one in found:
            named.setdefault(_forms(one, environment)[place], []).append(one)
        index = named | index
    return index


def names_among(found: Sequence[T], environment: Environment) -> list[str]:
    """Return each one's name, without what an address or a number says of a person: the shortest that means nobody else."""
    index = meanings(found, environment)

    def name(one: T) -> str:
        if is_processor_s(one, environment.stack):
            return PROCESSOR
        if is_express_s(one, environment.stack):
            return EXPRESS
        arn, endpoint, whole, short = _forms(one, environment)
        if not endpoint.startswith("arn:"):
            return short
        return next(
            (text for text in (short, whole, endpoint) if len(index[text]) == 1 and index[text][0] is one),
            arn,
        )

    return [name(one) for one in found]


def others_named(found: Sequence[T], environment: Environment) -> list[tuple[str, T]]:
    """Return all but the stack's own, each with its name. `found` are all of the topic: names depend on it."""
    named = zip(names_among(found, environment), found, strict=True)
    return [(name, one) for name, one in named if not is_ours(one, environment.stack)]


def endpoints_of_others(found: Sequence[T], environment: Environment) -> dict[str, str]:
    """Return the names of all functions and queues but the processor, each with its endpoint: an address is a person's, a URL may
    hold a secret, and neither has dead letters."""
    return {
        name: endpoint_name(one.protocol, one.endpoint)
        for name, one in others_named(found, environment)
        if one.protocol in ("lambda", "sqs")
    }


def one_of(environment: Environment, found: Sequence[T], text: str, *, said_as: str = "--subscriber") -> T:
    """Return the one of this short name, resource name, endpoint or subscription ARN. Raises UsageError."""
    meant = meanings(found, environment).get(text, ())
    if len(meant) == 1 or (meant and not others(meant, environment.stack)):
        return meant[0]
    if meant:
        arns = " and ".join(one.arn or one.endpoint for one in meant)
        raise UsageError(f"{said_as}: {text!r} is ambiguous: {arns}", hint="give the subscription's ARN")
    known = ", ".join(sorted(names_among(found, environment))) or "none"
    raise UsageError(
        f"{said_as}: nobody called {text!r} is subscribed to the topic",
        hint=f"subscribed: {known}; " + our_command("subscribers") + " shows them",
    )


def _forms(one: Listed | Subscription, environment: Environment) -> tuple[str, str, str, str]:
    """Return by what it may be asked for, the most exact first. An unconfirmed one has no ARN of its own."""
    endpoint = one.endpoint
    is_arn = endpoint.startswith("arn:")
    short = short_name(endpoint, environment.name) if is_arn else endpoint_name(one.protocol, endpoint)
    return one.arn or endpoint, endpoint, resource_name(endpoint), short
