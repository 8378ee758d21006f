"""Applying the SQL files of migrations/ in their order."""

from b2bpilot.ops.migrations.runner import Migration, apply, plan

__all__ = ["Migration", "apply", "plan"]
