"""Who is missing: a stack that imports the topic, and of which nothing is subscribed to it (decision 38)."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from b2bpilot.advice import LOCAL, Words, our_command
from b2bpilot.aws.imports import DeployedWith, StackResource, deployed_with, importers, stack_resources
from b2bpilot.aws.session import Timeouts
from b2bpilot.aws.side_by_side import of_each
from b2bpilot.aws.subscriptions import Subscription
from b2bpilot.errors import AwsError
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.subscribers.names import suffix, topic_export
from b2bpilot.ops.subscribers.naming import resource_name

SUBSCRIPTION = "AWS::SNS::Subscription"
ENDPOINTS = {"lambda": "AWS::Lambda::Function", "sqs": "AWS::SQS::Queue"}
ANEW = (
    our_command("local", "down"),
    our_command("local", "up", "--detach"),
    our_command("local", "down"),
    our_command("local", "up", "--detach", "--subscriber", "DIR"),
)
"""The emulator reverts no drift: one start without the folder deletes its stack, and the next makes it anew. Rows stay."""
CHANGE_SET = "bring-back-the-subscription"
NOTHING = DeployedWith(status="", parameters=(), capabilities=())
CHANGING = "_IN_PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportingStack:
    """A stack that imports the topic. `error` says why its resources are not known."""

    name: str
    resources: tuple[StackResource, ...] = ()
    deployed: DeployedWith = NOTHING
    error: str | None = None

    @property
    def unknown(self) -> str | None:
        """Why it cannot be told now whether it is subscribed."""
        status = self.deployed.status
        if self.error is None and status.endswith(CHANGING):
            return f"it is being {'deleted' if status.startswith('DELETE') else 'deployed'} ({status})"
        return self.error

    @property
    def makes_subscription(self) -> bool:
        return any(one.type == SUBSCRIPTION for one in self.resources)


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingSubscriber:
    """Whose subscription is gone. `commands` bring it back, one after another; none do where its template has no more."""

    name: str
    stack: str
    commands: tuple[Words, ...]

    @property
    def text(self) -> str:
        seen = f"stack {self.stack} imports the topic, and no subscription of the topic ends in it"
        return seen if self.commands else f"{seen}; put the subscription back into its template and deploy it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """Who is missing, as far as it is known; `unknown` says of what it is not."""

    missing: tuple[MissingSubscriber, ...] = ()
    unknown: tuple[str, ...] = ()


def importing_stacks(environment: Environment, *, timeouts: Timeouts) -> list[ImportingStack]:
    """Ask for all that import the topic, each looked at beside the others: first whether a deploy of it is over, because what
    it consists of is not all there before. Raises AwsError."""
    access = environment.access

    def look(name: str) -> ImportingStack:
        try:
            deployed = deployed_with(access, name, timeouts=timeouts)
            resources = tuple(stack_resources(access, name, timeouts=timeouts))
            return ImportingStack(name=name, resources=resources, deployed=deployed)
        except AwsError as exc:
            return ImportingStack(name=name, error=str(exc))

    names = importers(access, topic_export(environment.name), timeouts=timeouts)
    return of_each(look, names)


def absence(
    stacks: Iterable[ImportingStack], found: Sequence[Subscription], environment: Environment
) -> Absence:
    """Tell which of the stacks are not among the topic's subscriptions."""
    absent = [
        one
        for one in stacks
        if one.error or (_wants_messages(one, environment) and not any(ends_in(each, one) for each in found))
    ]
    return Absence(
        missing=tuple(
            MissingSubscriber(
                name=_name(one, environment), stack=one.name, commands=_deploy(one, environment)
            )
            for one in absent
            if one.unknown is None
        ),
        unknown=tuple(
            f"whether stack {one.name} is subscribed: {one.unknown}" for one in absent if one.unknown
        ),
    )


def _wants_messages(stack: ImportingStack, environment: Environment) -> bool:
    """Others import the topic to publish, or to watch it: a subscriber says so by its name, or has a subscription to make."""
    is_named = stack.name.endswith(suffix(environment.name))
    return is_named or stack.makes_subscription


def ends_in(subscription: Subscription, stack: ImportingStack) -> bool:
    """Tell whether the subscription, or what it delivers to, is one of the stack's resources."""
    name, kind = resource_name(subscription.endpoint), ENDPOINTS.get(subscription.protocol)
    return any(
        one.physical_id == subscription.arn
        or (one.type == kind and one.physical_id.rpartition("/")[2] == name)
        for one in stack.resources
    )


def _deploy(stack: ImportingStack, environment: Environment) -> tuple[Words, ...]:
    """CloudFormation believes that the subscription is there: an ordinary deploy of an unchanged template makes nothing. One that
    is told to revert drift makes it anew (docs/aws-facts.md#reverting-drift), where the template has it."""
    if not stack.makes_subscription:
        return ()
    if environment.name == LOCAL:
        return ANEW
    where = f"--stack-name {shlex.quote(stack.name)} --change-set-name {CHANGE_SET}"
    parameters = " ".join(f"ParameterKey={name},UsePreviousValue=true" for name in stack.deployed.parameters)
    capabilities = " ".join(stack.deployed.capabilities)
    return (
        f"aws cloudformation create-change-set {where} --use-previous-template --deployment-mode REVERT_DRIFT"
        + (f" --parameters {parameters}" if parameters else "")
        + (f" --capabilities {capabilities}" if capabilities else ""),
        f"aws cloudformation wait change-set-create-complete {where}",
        f"aws cloudformation execute-change-set {where}",
    )


def _name(stack: ImportingStack, environment: Environment) -> str:
    return stack.name.removesuffix(suffix(environment.name))
