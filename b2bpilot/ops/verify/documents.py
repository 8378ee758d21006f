"""docs/checks.md, docs/iam.md and the list of codes, made from the catalogue and the table of permissions.

`python -m b2bpilot.ops.verify.documents` writes them into a checkout; a test says when they are not current.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from b2bpilot.advice import Place
from b2bpilot.ops.verify.catalogue import CHECKS
from b2bpilot.ops.verify.check import Check
from b2bpilot.ops.verify.codes import LIST
from b2bpilot.ops.verify.explanation import of_check, shell_line
from b2bpilot.ops.verify.iam import (
    COMMANDS,
    DATABASE_SECRET,
    OF_A_SUBSCRIBER,
    OLD_SECRET,
    READING,
    RESOURCES,
    TWILIO_SECRET,
    Names,
    filled,
    resources,
    secrets_of,
)

WIDTH = 120
DOCS = Path(__file__).parents[3] / "docs"
NAMED = Place(environment="NAME")
NAMED_SECRETS = {DATABASE_SECRET: "database", TWILIO_SECRET: "twilio", OLD_SECRET: "old"}

CHECKS_HEAD = """\
# The checks of `b2bpilot verify`

Made by `make docs` from `b2bpilot/ops/verify/`; do not edit. A code never changes its meaning. A check that failed
makes `verify` end with 1, a warning only with `--strict`. Skipped is what could not be looked at: the line says why. In
the commands, `{name}` stands for an output of the stack; `verify` prints them filled in. Where the command is `verify`
itself, what to do depends on what it sees: its line says it.
"""
IAM_HEAD = """\
# What each command needs from AWS

Made by `make docs` from `b2bpilot/ops/verify/iam.py`; do not edit. `b2bpilot verify --print-iam -e NAME` prints a
policy for each command, with the names of that environment in it. A command needs this with any of its options; where a
permission is missing it says which one, and `verify` skips what needs it. `secretsmanager:GetSecretValue` stands with
the secrets that a command reads: `database`, `twilio`, and, for `verify` until the next release, `old`, the one of the
release before. Where the database's secret has a KMS key of its own, add `kms:Decrypt` for that key. `--env local`,
`local`, `demo`, `explain`, `completion`, `config show`, `runs list` and `runs show` need nothing; `runs resume` needs
what the command does that it resumes; PARTITION is `aws`, in China `aws-cn` and in GovCloud `aws-us-gov`; `deploy` runs
`sam`, which needs more: what CloudFormation does is done as the caller; `migrate` and `submissions` with
`--database-url` and no `--env` need nothing. What asks both sides of a pair needs the same in both regions, which
`--print-iam --region` prints for each.
"""


def documents() -> Mapping[str, str]:
    """Return each document's text by its name."""
    return {
        "checks.md": "\n".join([CHECKS_HEAD, *_checks()]) + "\n",
        "iam.md": "\n".join([IAM_HEAD, *_permissions()]) + "\n",
        f"../b2bpilot/ops/verify/{LIST.name}": "".join(map(_listed_check, CHECKS)),
    }


def prose(text: str, *, below: str = "") -> str:
    """Return a paragraph in lines that can be read as they stand; `below` begins each after the first."""
    return textwrap.fill(text, WIDTH, subsequent_indent=below, break_long_words=False, break_on_hyphens=False)


def write(folder: Path = DOCS) -> None:
    for name, text in documents().items():
        (folder / name).write_text(text, encoding="utf-8")


def _listed_check(check: Check) -> str:
    return f"{check.code}\t{check.category.value}\t{check.statement}\n"


def _checks() -> Iterator[str]:
    for category, checks in groupby(CHECKS, lambda check: check.category):
        yield f"\n## {category.value}"
        for check in checks:
            yield from _check(check)


def _check(check: Check) -> Iterator[str]:
    """The heading is the code alone: it is the anchor that `verify` prints."""
    told = of_check(check)
    yield f"\n### {told.name}\n"
    yield prose(f"**{told.statement}** {told.why} ({told.severity})") + "\n"
    if told.run:
        yield f"    {shell_line(told.run, NAMED)}\n"
    if told.needs:
        yield prose(f"- needs: {', '.join(told.needs)}", below="  ")
    if told.actions:
        yield prose(f"- asks: {_listed(told.actions)}", below="  ")


def _permissions() -> Iterator[str]:
    yield "\n## By command\n"
    yield "| command | actions |"
    yield "|---|---|"
    for command, actions in COMMANDS.items():
        yield f"| `{command}` | {', '.join(_with_secrets(command, action) for action in sorted(set(actions)))} |"
    yield "\n## By action: the least it can be confined to\n"
    yield "| action | resource |"
    yield "|---|---|"
    names = Names(partition="PARTITION")
    for action in RESOURCES:
        yield f"| `{action}` | {_listed(resources(action, names))} |"
    yield "\n## Beside it, for the `dlq` commands: what `--subscriber` names\n"
    yield "| action | resource |"
    yield "|---|---|"
    for action, where in OF_A_SUBSCRIBER.items():
        yield f"| `{action}` | {_listed(filled(where, names))} |"


def _with_secrets(command: str, action: str) -> str:
    named = f"`{action}`"
    return (
        f"{named} ({', '.join(NAMED_SECRETS[each] for each in secrets_of(command))})"
        if action == READING
        else named
    )


def _listed(words: Sequence[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


if __name__ == "__main__":
    write()
