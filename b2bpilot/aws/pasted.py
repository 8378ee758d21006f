"""A command of AWS's own program, as it must be written to reach the account and region that were looked at."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from b2bpilot.aws.session import AwsAccess


def options(access: AwsAccess) -> str:
    """Return the global options without which a command could reach another place; `aws` and `b2bpilot` have the same."""
    return _written(
        {"--region": access.region, "--profile": access.profile, "--endpoint-url": access.endpoint_url}, " "
    )


def credentials(access: AwsAccess) -> str:
    """Return what stands before `aws` where the shell's own credentials are none: an environment with keys of its own, which
    are public."""
    return _written(
        {"AWS_ACCESS_KEY_ID": access.access_key_id, "AWS_SECRET_ACCESS_KEY": access.secret_access_key}, "="
    )


def _written(given: Mapping[str, str | None], between: str) -> str:
    return "".join(f"{name}{between}{shlex.quote(value)} " for name, value in given.items() if value)
