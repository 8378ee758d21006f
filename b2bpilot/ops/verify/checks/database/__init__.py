"""The checks of the category `database`, in the order in which they are shown."""

from __future__ import annotations

from b2bpilot.ops.verify.checks.database import certificates, fitness, rows, schema

CHECKS = (*schema.CHECKS, *certificates.CHECKS, *fitness.CHECKS, *rows.CHECKS)
