"""An ARN read: arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE. What is none has no such parts: they are empty."""

from __future__ import annotations


def name_of(arn: str) -> str:
    """Return what comes last: a queue's or a topic's name; a function's, where neither version nor alias is named."""
    return arn.rpartition(":")[2]


def partition_of(arn: str) -> str:
    return _part(arn, 1)


def service_of(arn: str) -> str:
    return _part(arn, 2)


def region_of(arn: str) -> str:
    return _part(arn, 3)


def account_of(arn: str) -> str:
    return _part(arn, 4)


def function_name(arn: str) -> str:
    """Return a function's ARN without its version or alias."""
    return ":".join(arn.split(":")[:7])


def is_fifo(arn: str) -> bool:
    """Tell whether it is a FIFO queue's ARN: its name says so, and no other queue's may."""
    return arn.endswith(".fifo")


def _part(arn: str, place: int) -> str:
    return "".join(arn.split(":")[place : place + 1])
