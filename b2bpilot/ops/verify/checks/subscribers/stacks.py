"""A check of the category `subscribers`: whether who imports the topic is subscribed to it."""

from __future__ import annotations

from b2bpilot.ops.subscribers.missing import Absence, ends_in
from b2bpilot.ops.verify.check import Answer, Category, Check, Severity, fails, holds, silent
from b2bpilot.ops.verify.commands import one_after_another
from b2bpilot.ops.verify.deployment import Deployment
from b2bpilot.ops.verify.subscribers import (
    IMPORTS,
    READ,
    absence_of,
    chosen,
    importing,
    nobody,
    together,
    wants,
)

UNREAD = "the stacks that import the topic"


def _agree(deployment: Deployment) -> Answer:
    answers = [*_absent(deployment, absence_of(deployment)), *_there(deployment)]
    return together(deployment, answers) if answers else nobody(deployment)


def _absent(deployment: Deployment, found: Absence) -> list[tuple[str, Answer]]:
    missing = [one for one in found.missing if wants(deployment, one)]
    unknown = [(UNREAD, silent(f"unknown {why}", may_change=True)) for why in found.unknown]
    return [
        *((one.name, fails(one.text, fix=one_after_another(one.commands))) for one in missing),
        *unknown,
    ]


def _there(deployment: Deployment) -> list[tuple[str, Answer]]:
    """One that somebody subscribed by hand is no fault: nobody knows who would bring it back."""
    stacks = importing(deployment)
    answers = []
    for one in chosen(deployment):
        own = [stack.name for stack in stacks if ends_in(one.subscription, stack)]
        told = f"stack {own[0]}" if own else "subscribed by hand, as no stack that imports the topic has it"
        answers.append((one.name, holds(told)))
    return answers


CHECKS = (
    Check(
        code="B2B190",
        category=Category.SUBSCRIBERS,
        statement="whoever's stack imports the topic is subscribed to it",
        why="A subscription that was deleted is no error to anybody: the subscriber gets nothing, and no alarm rings.",
        probe=_agree,
        severity=Severity.WARNING,
        actions=(*READ, *IMPORTS),
        needs=("B2B030",),
    ),
)
