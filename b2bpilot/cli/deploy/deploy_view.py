"""A deploy as it is told: what it will do, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from b2bpilot import __version__
from b2bpilot.advice import Words, our_command
from b2bpilot.cli.output import Line, pasted
from b2bpilot.plural import many

LABEL = 13

if TYPE_CHECKING:
    from b2bpilot.ops.deploy.left_queue import LeftQueue
    from b2bpilot.ops.deploy.plan import DeployPlan


def described(plan: DeployPlan) -> list[Line]:
    """What is known before anything is changed."""
    return [line if isinstance(line, Line) else Line(line, indent=LABEL) for line in _described(plan)]


def _described(plan: DeployPlan) -> Iterator[str | Line]:
    who = plan.caller
    yield f"Deploy of version {__version__} as environment {plan.environment}"
    yield f"  account    {who.account}, {who.region}, as {who.arn}"
    yield f"  stack      {plan.stack_name}: {plan.before.status if plan.before else 'not there yet'}"
    yield f"  built for  {plan.architecture}{_changed(plan)}"
    yield f"  given      {', '.join(sorted(plan.values))}"
    if kept := sorted((plan.before.parameters.keys() if plan.before else set()) - plan.values.keys()):
        yield f"  kept       {', '.join(kept)}"
    if plan.missing:
        yield f"  missing    {', '.join(each.name for each in plan.missing)}"
    if plan.left:
        yield from _left(plan.left)


def _changed(plan: DeployPlan) -> str:
    before = plan.architecture_before
    return f", no longer for {before}" if before and before != plan.architecture else ""


def _left(left: LeftQueue) -> Iterator[str | Line]:
    dead_letters = many(left.dead_letters, "dead letter")
    yield f"  left       queue {left.name}, which no stack has, with about {dead_letters}."
    yield "             It is imported first, so that the stack has it and nothing in it is lost, with what these do:"
    yield from (pasted(command, indent=LABEL + 2) for command in left.commands())


def fields(plan: DeployPlan) -> dict[str, object]:
    """The same for programs; no value of a parameter."""
    return {
        "environment": plan.environment,
        "stack_name": plan.stack_name,
        "account_id": plan.caller.account,
        "region": plan.caller.region,
        "architecture": plan.architecture,
        "first": plan.is_first,
        "parameters": sorted(plan.values),
        "imported_queue": plan.left.url if plan.left else None,
    }


def done(plan: DeployPlan) -> Iterator[Words]:
    yield f"Deployed {plan.stack_name} for {plan.architecture}."
    if plan.left and plan.left.dead_letters:
        yield (
            f"The queue has about {many(plan.left.dead_letters, 'dead letter')}. What names the deleted stack's subscription is sent with "
            + our_command("dlq", "redrive", "--adopt", "...")
            + "; "
            + our_command("dlq", "list")
            + " says which that is."
        )
    yield "Next:"
    yield "  " + our_command("migrate") + "   brings the table to what this version needs"
    yield "  " + our_command("verify", "--wait", "5m") + "   says whether everything is right"
