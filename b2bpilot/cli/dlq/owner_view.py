"""Whose dead letters are, as it is shown: what is not this environment's, and what was adopted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from b2bpilot.advice import Words
from b2bpilot.cli.dlq.options import dead_letters
from b2bpilot.cli.output import Tone, Toned

if TYPE_CHECKING:
    from b2bpilot.pipeline.owner import Owner


def fields(owners: Mapping[Owner, int]) -> list[dict[str, object]]:
    """Return for programs whose they are, and how many."""
    return [{**owner_fields(owner), "count": count} for owner, count in owners.items()]


def owner_fields(owner: Owner) -> dict[str, object]:
    return {
        "ownership": owner.ownership.value,
        "owner": str(owner),
        "subscription_arn": owner.subscription_arn,
        "adopted": owner.is_adopted,
        "lane": owner.lane,
    }


def lines(owners: Mapping[Owner, int]) -> Iterator[Words]:
    """Return for people a line each; what may be adopted with the option that does it."""
    for owner, count in owners.items():
        yield line(owner, count)


def line(owner: Owner, count: int) -> Words:
    from b2bpilot.pipeline.owner import Ownership

    match owner.ownership:
        case Ownership.OTHER:
            return f"{dead_letters(count)} for {owner}: left as they are"
        case Ownership.GONE:
            adopt = Toned(f"--adopt {owner.name}", Tone.COMMAND)
            taken = "it" if count == 1 else "them"
            return f"{dead_letters(count)} of {owner}; " + adopt + f" takes {taken} for {owner.adopter}"
        case Ownership.OURS:
            return f"{dead_letters(count)} {owner}"
        case Ownership.UNKNOWN:
            return f"{dead_letters(count)} {owner.whose}"
