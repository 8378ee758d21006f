"""Migrating a table that takes traffic: the files of migrations/, a ledger of what was done, and checks before and after."""

from b2bpilot.ops.migrations.effects import effect_of, title
from b2bpilot.ops.migrations.finding import Finding, Topic
from b2bpilot.ops.migrations.fitness import Fitness, require_fit
from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.ops.migrations.migration import Migration, Plan, State, Step, require_sound
from b2bpilot.ops.migrations.runner import Outcome, apply, fitness, plan, survey
from b2bpilot.ops.migrations.script import script
from b2bpilot.ops.migrations.server import Survey

__all__ = [
    "Author",
    "Finding",
    "Fitness",
    "Migration",
    "Outcome",
    "Plan",
    "State",
    "Step",
    "Survey",
    "Topic",
    "apply",
    "effect_of",
    "fitness",
    "plan",
    "require_fit",
    "require_sound",
    "script",
    "survey",
    "title",
]
