"""What the AWS CLI's own files say of the profile that would be used."""

from __future__ import annotations

from b2bpilot.aws.failures import translated
from b2bpilot.aws.session import AwsAccess


def is_known_region(access: AwsAccess, region: str) -> bool:
    """Whether this botocore has heard of it. One that is newer than botocore it may take for unknown."""
    with access.session() as session:
        return any(
            region in session.get_available_regions("sns", partition_name=partition)
            for partition in session.get_available_partitions()
        )


def region_of(access: AwsAccess) -> str | None:
    """Return the profile's region. Raises SettingsInvalid for a profile that there is not."""
    with translated("read the AWS profile"), access.session() as session:
        return session.get_scoped_config().get("region")
