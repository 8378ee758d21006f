"""Where each setting is from, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from b2bpilot.cli.frame.context import Pilot
from b2bpilot.cli.frame.settings import (
    ITS_OWN,
    LOCAL,
    SETTINGS,
    SUBSCRIBERS,
    Color,
    Format,
    GivenValue,
    candidates,
    config_files,
    named_subscribers,
    require_usable,
    require_usable_file,
)
from b2bpilot.errors import PilotError, SettingsInvalid

OWN = "not used: the local environment has its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOrigin:
    """A setting as this command line has it. `place` is None for a default."""

    name: str
    value: str | None
    place: str | None
    others: Sequence[GivenValue] = ()
    """What it wins over."""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """A file that may hold settings."""

    path: Path
    is_there: bool
    problem: str | None = None


def origins(pilot: Pilot) -> Iterator[SettingOrigin]:
    found = candidates(pilot.given, pilot.environ, config_files(pilot.environ))
    is_local = bool(found["env"]) and found["env"][0].value == LOCAL
    for setting in SETTINGS:
        values = found[setting.name]
        if not values:
            yield _default(setting.name, pilot, is_local=is_local)
            continue
        won, *others = values
        is_unused = is_local and setting.name in ITS_OWN and setting.name not in pilot.given
        yield SettingOrigin(
            name=setting.name,
            value=won.value,
            place=won.place,
            others=others,
            problem=OWN if is_unused else _refusal(setting.name, won),
        )
    yield _subscribers(pilot)


def _subscribers(pilot: Pilot) -> SettingOrigin:
    """A key of files alone, for `local up`."""
    value, place, others = None, None, list(named_subscribers(config_files(pilot.environ)))
    if others:
        value, place = others[0].value, others[0].place
    return SettingOrigin(name=SUBSCRIBERS, value=value, place=place, others=others[1:])


def files(pilot: Pilot) -> Iterator[SettingsFile]:
    """Yield them with the strongest first."""
    for path in config_files(pilot.environ):
        problem = None
        try:
            require_usable_file(path)
        except SettingsInvalid as exc:
            problem = f"{exc}; {exc.hint}" if exc.hint else str(exc)
        yield SettingsFile(path=path, is_there=path.exists(), problem=problem)


def _refusal(name: str, won: GivenValue) -> str | None:
    try:
        require_usable(name, won)
    except SettingsInvalid as exc:
        return str(exc)
    return None


def _default(name: str, pilot: Pilot, *, is_local: bool) -> SettingOrigin:
    """NO_COLOR and TERM are other programs' variables, and the profile's region is boto3's to find."""
    environ = pilot.environ
    match name:
        case "region" if not is_local:
            return _region(pilot)
        case "output":
            return SettingOrigin(name=name, value=Format.TABLE, place=None)
        case "color":
            plain = (
                "NO_COLOR" if environ.get("NO_COLOR") else "TERM" if environ.get("TERM") == "dumb" else None
            )
            return SettingOrigin(name=name, value=Color.NEVER if plain else Color.AUTO, place=plain)
        case "verbose":
            return SettingOrigin(name=name, value="false", place=None)
    return SettingOrigin(name=name, value=None, place=None)


def _region(pilot: Pilot) -> SettingOrigin:
    from b2bpilot.aws.profile import region_of
    from b2bpilot.aws.session import AwsAccess

    profile = pilot.settings.profile
    try:
        value = region_of(AwsAccess(profile=profile))
    except PilotError as exc:
        return SettingOrigin(name="region", value=None, place=None, problem=str(exc))
    place = f"profile {profile or 'default'} of the AWS CLI" if value else None
    return SettingOrigin(name="region", value=value, place=place)
