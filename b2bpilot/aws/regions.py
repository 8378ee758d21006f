"""A region that does not exist: nothing answers at its endpoints, which looks like trouble with the network."""

from __future__ import annotations

import re

from botocore.exceptions import EndpointConnectionError
from botocore.session import Session

from b2bpilot.errors import SettingsInvalid

ENDPOINT = re.compile(r"https://[\w.-]+?\.([a-z]+(?:-[a-z]+)+-\d+)\.amazonaws\.com(?:\.cn)?(?:[:/]|$)")
SERVICE = "cloudformation"
"""Each region has it."""


def not_reached(exc: BaseException) -> SettingsInvalid | None:
    """Say that the region is not known, of an endpoint that was not reached; None for one that is, or for another error.

    boto3 makes an address of any name, and a region may be younger than this boto3: so only what failed is looked at.
    """
    if not isinstance(exc, EndpointConnectionError):
        return None
    url = str(exc.kwargs["endpoint_url"])
    found = ENDPOINT.match(url)
    if found is None or found[1] in _known():
        return None
    return SettingsInvalid(
        f"region {found[1]!r} is none that boto3 knows, and nothing was reached at {url}",
        hint="check --region, AWS_REGION and ~/.aws/config; for a new region, update boto3",
    )


def _known() -> set[str]:
    session = Session()
    return {
        region
        for partition in session.get_available_partitions()
        for region in session.get_available_regions(SERVICE, partition_name=partition)
    }
