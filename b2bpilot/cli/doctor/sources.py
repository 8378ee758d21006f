"""Who is asked what about this machine."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import partial

from botocore import __version__ as botocore_version

from b2bpilot.advice import our_command
from b2bpilot.aws.profile import is_known_region, region_of
from b2bpilot.aws.session import AwsAccess
from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import LOCAL, config_files
from b2bpilot.cli.text.durations import ahead_in_words
from b2bpilot.errors import PilotError, SettingsInvalid
from b2bpilot.local import fitness
from b2bpilot.ops.doctor import aws_found, database_client, program
from b2bpilot.ops.doctor.finding import Findings, fine, refused, warned, wrong

Source = Callable[[], Findings]


def sources(pilot: Pilot, settings_refused: SettingsInvalid | None) -> Mapping[str, Source]:
    """Return them in the order in which they are shown. `settings_refused` is why the settings cannot be used."""
    settings = pilot.settings
    found: dict[str, Source] = {
        "program": program.python,
        "settings": partial(_settings, pilot, settings_refused),
        "folder": lambda: program.folder(pilot.runs_home),
        "terminal": partial(_terminal, pilot),
    }
    if settings.environment != LOCAL:
        is_needed = settings.environment is not None
        access = AwsAccess(
            region=settings.region,
            profile=settings.profile,
            endpoint_url=settings.endpoint_url,
            clock=pilot.clock,
        )
        region, why_not = _region(access)
        found |= {
            "region": partial(_told_region, access, region, why_not, is_needed=is_needed),
            "credentials": lambda: aws_found.who(access, region=region, is_needed=is_needed),
            "network": lambda: aws_found.reached(
                access, region=region, is_needed=is_needed, spelled=ahead_in_words
            ),
        }
    return found | {
        "proxy": lambda: program.proxies(pilot.environ),
        "database client": database_client.psycopg_found,
        "certificates": lambda: database_client.certificates(pilot.environ),
        "extra `local`": fitness.installed,
        "ports": fitness.loopback,
    }


def _settings(pilot: Pilot, problem: SettingsInvalid | None) -> Findings:
    if problem:
        yield wrong("settings", str(problem), problem.hint or "see " + our_command("config", "show"))
        return
    there = [str(path) for path in config_files(pilot.environ) if path.exists()]
    yield fine("settings", ", ".join(there) or "no file: only options and variables")


def _terminal(pilot: Pilot) -> Findings:
    encoding = sys.stdout.encoding or "none"
    if not pilot.output.can_show("\u00e9\u4e2d"):
        yield warned(
            "terminal",
            f"its encoding is {encoding}: what is not ASCII is shown as escapes",
            "export LANG=C.UTF-8, or another locale with UTF-8",
        )
        return
    kind = pilot.environ.get("TERM") or "not set"
    where = f"a terminal, TERM {kind}" if pilot.output.stdout.isatty() else "no terminal: plain text"
    yield fine("terminal", f"{encoding}, {where}")


def _region(access: AwsAccess) -> tuple[str | None, PilotError | None]:
    try:
        return access.region or region_of(access), None
    except PilotError as exc:
        return access.region, exc


def _told_region(
    access: AwsAccess, region: str | None, problem: PilotError | None, *, is_needed: bool
) -> Findings:
    missing = SettingsInvalid("no AWS region is set", hint="name one with --region or AWS_REGION")
    if problem or region is None:
        yield refused("region", problem or missing, is_needed=is_needed)
    elif not is_known_region(access, region):
        yield warned(
            "region",
            f"{region}, of which botocore {botocore_version} does not know",
            "correct --region, AWS_REGION or the profile, unless the region is newer than botocore",
        )
    else:
        yield fine("region", region)
