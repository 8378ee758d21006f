"""Migrating a table that takes traffic: the files of migrations/, a ledger of what was done, and checks before and after."""

from b2bpilot.ops.migrations.effects import effect_of, title
from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.ops.migrations.migration import Migration, Plan, State, Step, require_sound
from b2bpilot.ops.migrations.runner import Outcome, apply, plan, survey
from b2bpilot.ops.migrations.script import script
from b2bpilot.ops.migrations.server import Survey

__all__ = [
    "Author",
    "Migration",
    "Outcome",
    "Plan",
    "State",
    "Step",
    "Survey",
    "apply",
    "effect_of",
    "plan",
    "require_sound",
    "script",
    "survey",
    "title",
]
