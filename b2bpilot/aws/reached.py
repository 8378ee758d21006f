"""Whether AWS answers at all, asked by nobody: without credentials it refuses, and its answer has a Date."""

from __future__ import annotations

import contextlib
from typing import Any

from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from b2bpilot.aws.clock import hear_clock
from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess, Timeouts, client_config

ANY_REGION = "us-east-1"


def ask(access: AwsAccess, *, region: str | None, timeouts: Timeouts) -> str:
    """Return the endpoint that answered; the access's clock has heard it. Raises AwsError, SettingsInvalid."""
    config = client_config(timeouts, endpoint_url=access.endpoint_url).merge(
        Config(signature_version=UNSIGNED)
    )
    with translated("sts:GetCallerIdentity"):
        with access.session() as session:
            client: Any = session.create_client(
                "sts", region_name=region or ANY_REGION, endpoint_url=access.endpoint_url, config=config
            )
        hear_clock(client, access.clock)
        with contextlib.suppress(ClientError):
            client.get_caller_identity()
    return str(client.meta.endpoint_url)
