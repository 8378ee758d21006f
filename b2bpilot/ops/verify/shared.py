"""AWS as the deployment reaches it, for seams that make their own clients: they get the deployment's, which are made once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from b2bpilot.aws.session import AwsAccess, Timeouts
from b2bpilot.ops.environment import Environment
from b2bpilot.ops.verify.deployment import PROBE_TIMEOUTS, Deployment


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAccess(AwsAccess):
    """The deployment's access; another region's clients are made anew."""

    deployment: Deployment

    def client(self, service: str, timeouts: Timeouts | None = None) -> Any:
        if self.region in (self.deployment.access.region, self.deployment.stack.region):
            return self.deployment.client(service)
        return AwsAccess.client(self, service, timeouts or PROBE_TIMEOUTS)


def shared(deployment: Deployment) -> AwsAccess:
    access = deployment.access
    return SharedAccess(
        region=access.region,
        profile=access.profile,
        endpoint_url=access.endpoint_url,
        access_key_id=access.access_key_id,
        is_told_all=access.is_told_all,
        secret_access_key=access.secret_access_key,
        deployment=deployment,
    )


def shared_environment(deployment: Deployment) -> Environment:
    """Return the environment for what asks in a probe's time; `deployment.environment` waits as commands do."""
    return replace(deployment.environment, access=shared(deployment))
