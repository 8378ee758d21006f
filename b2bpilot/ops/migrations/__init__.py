"""Migrating a table that takes traffic: the files of migrations/, a ledger of what was done, and checks before and after."""

from b2bpilot.ops.migrations.effects import effect_of, title
from b2bpilot.ops.migrations.finding import FitnessFinding, FitnessTopic
from b2bpilot.ops.migrations.fitness import Fitness, require_fit
from b2bpilot.ops.migrations.ledger import Author
from b2bpilot.ops.migrations.migration import (
    Migration,
    MigrationPlan,
    MigrationState,
    MigrationStep,
    require_sound,
)
from b2bpilot.ops.migrations.runner import MigrationOutcome, apply, fitness, plan, survey
from b2bpilot.ops.migrations.script import script
from b2bpilot.ops.migrations.server import Preflight
from b2bpilot.ops.migrations.table import DELIVERIES, SUBMISSIONS, MigratedTable

__all__ = [
    "DELIVERIES",
    "SUBMISSIONS",
    "Author",
    "Fitness",
    "FitnessFinding",
    "FitnessTopic",
    "MigratedTable",
    "Migration",
    "MigrationOutcome",
    "MigrationPlan",
    "MigrationState",
    "MigrationStep",
    "Preflight",
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
