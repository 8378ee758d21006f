"""When AWS ends the support of Lambda's Python runtimes.

Source: cfn-lint 1.58.0, LmbdRuntimeLifecycle.json, copied from AWS's table of runtimes (docs/aws-facts.md#runtimes),
read in October 2026.
From the date on a runtime gets no security patches; months later functions with it cannot be updated any more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

DEPRECATED: Mapping[str, date] = {
    "python3.9": date(2025, 12, 15),
    "python3.10": date(2026, 10, 31),
    "python3.11": date(2027, 6, 30),
    "python3.12": date(2028, 10, 31),
    "python3.13": date(2029, 6, 30),
    "python3.14": date(2029, 6, 30),
}
