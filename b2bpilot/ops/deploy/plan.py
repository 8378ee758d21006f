"""What a deploy will do: where, as whom, for which processor, with which parameters. Asked before anything changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from b2bpilot.aws import change_sets
from b2bpilot.aws.change_sets import Deployed
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess
from b2bpilot.aws.stack import PREFIX
from b2bpilot.errors import Refused, UsageError
from b2bpilot.ops.deploy import parameters, rules
from b2bpilot.ops.deploy.checkout import Checkout, SamConfig
from b2bpilot.ops.deploy.left_queue import LeftQueue, left_queue
from b2bpilot.ops.deploy.parameters import Parameter
from b2bpilot.pipeline.architecture import ARM64

if TYPE_CHECKING:
    from types_boto3_cloudformation import CloudFormationClient
    from types_boto3_sts import STSClient

ENVIRONMENT, ARCHITECTURE = "Environment", "Architecture"
NOT_THERE = frozenset({"REVIEW_IN_PROGRESS"})
"""A change set was made and never executed: the stack has nothing."""
STUCK = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    account: str
    arn: str
    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan:
    """`values` are given to CloudFormation; what the stack has besides, it keeps."""

    environment: str
    stack_name: str
    caller: Caller
    before: Deployed | None
    config: SamConfig
    architecture: str
    values: Mapping[str, str] = field(repr=False)
    left: LeftQueue | None
    missing: tuple[Parameter, ...]
    """Parameters that neither the stack nor anybody gave: those without a default, and secrets that a rule asks for."""

    @property
    def is_first(self) -> bool:
        return self.before is None

    @property
    def all_values(self) -> Mapping[str, str]:
        """Those that the stack has then."""
        return {**(self.before.parameters if self.before else {}), **self.values}

    def with_values(self, more: Mapping[str, str]) -> DeployPlan:
        return replace(self, values={**self.values, **more}, missing=())

    @property
    def architecture_before(self) -> str | None:
        return self.before.parameters.get(ARCHITECTURE) if self.before else None


def caller(access: AwsAccess) -> Caller:
    """Raises AwsError."""
    client: STSClient = access.client("sts")
    with translated("sts:GetCallerIdentity"):
        found = client.get_caller_identity()
    return Caller(account=found["Account"], arn=found["Arn"], region=client.meta.region_name)


def plan(
    checkout: Checkout,
    environment: str,
    access: AwsAccess,
    *,
    architecture: str | None = None,
    given: Mapping[str, str] | None = None,
) -> DeployPlan:
    """Raises UsageError, Refused, AwsError. Changes nothing."""
    template, config = checkout.template, checkout.config(environment)
    known = parameters.parameters(template)
    parameters.require({ENVIRONMENT: environment}, known, origin="--env")
    parameters.require(config.overrides, known, origin="samconfig.toml")
    who, stack_name = caller(access), PREFIX + environment
    before = _before(access, stack_name)
    values = {**config.overrides, **(given or {}), ENVIRONMENT: environment}
    values[ARCHITECTURE] = _architecture(architecture, values, before, known)
    return DeployPlan(
        environment=environment,
        stack_name=stack_name,
        caller=who,
        before=before,
        config=config,
        architecture=values[ARCHITECTURE],
        values=values,
        left=None
        if before
        else left_queue(access, stack_name=stack_name, environment=environment, template=template),
        missing=_missing(template, known, {**(before.parameters if before else {}), **values}),
    )


def _missing(
    template: Mapping[str, Any], known: Mapping[str, Parameter], there: Mapping[str, str]
) -> tuple[Parameter, ...]:
    asked = frozenset().union(*(each.names for each in rules.broken(template, there)))
    return tuple(
        each
        for name, each in known.items()
        if name not in there and (each.default is None or (each.is_secret and name in asked))
    )


def _architecture(
    asked: str | None, values: Mapping[str, str], before: Deployed | None, known: Mapping[str, Parameter]
) -> str:
    """What somebody said, else what the stack has: a deploy changes no function's processor by itself."""
    kept = before.parameters.get(ARCHITECTURE) if before else None
    chosen = asked or values.get(ARCHITECTURE) or kept or known[ARCHITECTURE].default or ARM64
    if chosen not in known[ARCHITECTURE].allowed:
        raise UsageError(
            f"{chosen!r} is not an architecture of Lambda",
            hint=f"it is {' or '.join(known[ARCHITECTURE].allowed)}",
        )
    return chosen


def _before(access: AwsAccess, stack_name: str) -> Deployed | None:
    client: CloudFormationClient = access.client("cloudformation")
    found = change_sets.deployed(client, stack_name)
    if found is None or found.status in NOT_THERE:
        return None
    region = client.meta.region_name
    if found.status in STUCK:
        raise Refused(
            f"stack {stack_name} is {found.status}: a deploy cannot start from that state",
            hint=f"look at its events, then: aws cloudformation delete-stack --region {region} --stack-name {stack_name}",
        )
    if found.status.endswith("_IN_PROGRESS"):
        raise Refused(
            f"stack {stack_name} is {found.status}: another deploy is in progress",
            hint="wait for it, and deploy again",
        )
    return found
