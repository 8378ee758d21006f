"""The global settings: an option wins over a variable, it over ./b2bpilot.toml, that over the user's file."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from b2bpilot.advice import NOWHERE, Place
from b2bpilot.errors import SettingsInvalid
from b2bpilot.paths import absolute

Choice = TypeVar("Choice", bound=StrEnum)

ENVIRONMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,99}")
LOCAL = "local"
ITS_OWN = frozenset({"region", "profile", "endpoint_url", "database_url"})
SUBSCRIBERS = "subscribers"
"""A key of the files alone: folders that `local up` is given beside those of its option."""
TRUE, FALSE = frozenset({"1", "true", "yes", "on"}), frozenset({"0", "false", "no", "off"})


class Format(StrEnum):
    TABLE = "table"
    JSON = "json"
    JSONL = "jsonl"


class Color(StrEnum):
    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One global setting and every place it can come from; its key in the files is its name. Without a variable it is an
    option alone: it belongs to one command line."""

    name: str
    flags: tuple[str, ...]
    help: str
    variables: tuple[str, ...] = ()
    metavar: str | None = None
    """None makes it a switch."""


SETTINGS = (
    Setting(
        name="env",
        flags=("--env", "-e"),
        variables=("B2BPILOT_ENV",),
        metavar="NAME",
        help="Stack b2b-pilot-NAME, or `local`.",
    ),
    Setting(
        name="region",
        flags=("--region",),
        variables=("B2BPILOT_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"),
        metavar="REGION",
        help="AWS region.",
    ),
    Setting(
        name="profile",
        flags=("--profile",),
        variables=("B2BPILOT_PROFILE", "AWS_PROFILE"),
        metavar="NAME",
        help="AWS profile.",
    ),
    Setting(
        name="endpoint_url",
        flags=("--endpoint-url",),
        variables=("B2BPILOT_ENDPOINT_URL",),
        metavar="URL",
        help="AWS endpoint of all services.",
    ),
    Setting(
        name="database_url",
        flags=("--database-url",),
        variables=("B2BPILOT_DATABASE_URL",),
        metavar="URL",
        help="Database, if not the stack's.",
    ),
    Setting(
        name="output",
        flags=("--output", "-o"),
        variables=("B2BPILOT_OUTPUT",),
        metavar="FORMAT",
        help="Format: table, json or jsonl.",
    ),
    Setting(
        name="query",
        flags=("--query",),
        metavar="JMESPATH",
        help="Print only this of the JSON; implies -o json.",
    ),
    Setting(
        name="color",
        flags=("--color",),
        variables=("B2BPILOT_COLOR",),
        metavar="WHEN",
        help="auto, always or never.",
    ),
    Setting(
        name="verbose",
        flags=("--verbose", "-v"),
        variables=("B2BPILOT_VERBOSE",),
        help="Show queries and tracebacks.",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalSettings:
    """The settings of one command line."""

    environment: str | None = None
    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    database_url: str | None = field(default=None, repr=False)
    database_url_from: str | None = None
    """The option, variable or file that named it."""
    output: Format = Format.TABLE
    view: str | None = None
    """A form that only the command of this line has, such as `junit`; errors and notices are text then."""
    query: str | None = None
    color: Color = Color.AUTO
    verbose: bool = False

    place: Place = NOWHERE
    """Where the commands that we print go: where this one goes, but for what AWS's own variables say to all of its tools."""


@dataclass(frozen=True, slots=True)
class GivenValue:
    """A value as it was given, and where, so that a refusal can name the place."""

    value: str
    place: str


def resolve(
    given: Mapping[str, str | bool],
    environ: Mapping[str, str],
    files: Iterable[Path],
    *,
    views: Collection[str] = (),
) -> GlobalSettings:
    """Merge what was given; `files` come with the strongest first. `views` are further forms of the output that the
    command has. The local environment has an AWS and a database of its own, whatever variables and files say of others.
    Raises SettingsInvalid."""
    levels = [_from_options(given), _from_variables(environ), *(_from_file(path) for path in files)]
    plain = environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    merged: dict[str, GivenValue] = {}
    for level in reversed(levels):
        merged.update(level)
    if (named := merged.get("env")) and named.value == LOCAL:
        merged = {name: found for name, found in merged.items() if name in given or name not in ITS_OWN}
    output = merged.get("output")
    view = output.value if output and output.value in views else None
    return GlobalSettings(
        environment=_environment(merged.get("env")),
        region=_text(merged.get("region")),
        profile=_text(merged.get("profile")),
        endpoint_url=_text(merged.get("endpoint_url")),
        database_url=_text(merged.get("database_url")),
        database_url_from=found.place if (found := merged.get("database_url")) and found.value else None,
        output=Format.TABLE if view else _choice(Format, output, Format.TABLE, views),
        view=view,
        query=query.value if (query := merged.get("query")) else None,
        color=_choice(Color, merged.get("color"), Color.NEVER if plain else Color.AUTO),
        verbose=_switch(merged.get("verbose")),
        place=_place(merged),
    )


KNOWN_DATABASE = GivenValue("", "B2BPILOT_DATABASE_URL")
"""Where a printed command reads the database's URL, if it names one: there is nothing to add for this."""


def _place(merged: Mapping[str, GivenValue]) -> Place:
    def carried(name: str) -> str | None:
        found = merged.get(name)
        return None if found is None or found.place.startswith("AWS_") else found.value or None

    return Place(
        environment=carried("env"),
        region=carried("region"),
        profile=carried("profile"),
        endpoint_url=carried("endpoint_url"),
        names_a_database=merged.get("database_url", KNOWN_DATABASE).place != KNOWN_DATABASE.place,
    )


def candidates(
    given: Mapping[str, str | bool], environ: Mapping[str, str], files: Iterable[Path]
) -> dict[str, list[GivenValue]]:
    """Return every value that a setting was given, the one that wins first. A file that cannot be used gives none."""
    levels = [_from_options(given)]
    levels += [
        {setting.name: GivenValue(environ[variable], variable)}
        for setting in SETTINGS
        for variable in setting.variables
        if environ.get(variable)
    ]
    for path in files:
        with suppress(SettingsInvalid):
            levels.append(_from_file(path))
    return {
        setting.name: [level[setting.name] for level in levels if setting.name in level]
        for setting in SETTINGS
    }


def require_usable(name: str, found: GivenValue) -> None:
    """Raises SettingsInvalid for a value that the setting cannot have. Views are left to their commands."""
    match name:
        case "env":
            _environment(found)
        case "output":
            _choice(Format, found, Format.TABLE)
        case "color":
            _choice(Color, found, Color.AUTO)
        case "verbose":
            _switch(found)


def require_usable_file(path: Path) -> None:
    """Raises SettingsInvalid."""
    _from_file(path)


def config_files(environ: Mapping[str, str]) -> list[Path]:
    """Return where settings may be written down, the strongest first: folders that are not there hold none."""
    with suppress(SettingsInvalid):
        return [*_here(), user_config(environ) / "config.toml"]
    return _here()


def user_config(environ: Mapping[str, str]) -> Path:
    """Return the user's folder for settings. Raises SettingsInvalid when nobody can tell where it is."""
    return _user_folder(environ.get("XDG_CONFIG_HOME"), ".config")


def state_home(environ: Mapping[str, str]) -> Path:
    """Return the folder of the local environment. Raises SettingsInvalid when nobody can tell where it is."""
    if chosen := environ.get("B2BPILOT_HOME"):
        return absolute(chosen)
    return _user_folder(environ.get("XDG_STATE_HOME"), ".local/state") / "local"


def _here() -> list[Path]:
    try:
        return [Path.cwd() / "b2bpilot.toml"]
    except FileNotFoundError:  # somebody deleted the working directory
        return []


def _user_folder(chosen: str | None, usual: str) -> Path:
    try:
        return (Path(chosen) if chosen else Path.home() / usual) / "b2bpilot"
    except RuntimeError as exc:
        raise SettingsInvalid(
            "there is no home directory: HOME is not set, and the system does not know this user",
            hint="set HOME, or B2BPILOT_HOME for the folder of runs and of the local environment",
        ) from exc


def _from_options(given: Mapping[str, str | bool]) -> dict[str, GivenValue]:
    flags = {setting.name: setting.flags[0] for setting in SETTINGS}
    return {name: GivenValue(_spelled(value), flags[name]) for name, value in given.items()}


def _from_variables(environ: Mapping[str, str]) -> dict[str, GivenValue]:
    return {
        setting.name: GivenValue(environ[variable], variable)
        for setting in SETTINGS
        for variable in reversed(setting.variables)
        if environ.get(variable)
    }


def subscribers_in(files: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders that the strongest file with this key names; a relative one is meant from the file. Raises
    SettingsInvalid."""
    for path in files:
        values = _read_toml(path)
        if SUBSCRIBERS in values:
            return tuple(path.parent / folder for folder in _listed(values[SUBSCRIBERS], path))
    return ()


def named_subscribers(files: Iterable[Path]) -> Iterator[GivenValue]:
    """Yield what each file says of them, the strongest first; one that cannot be used says nothing."""
    for path in files:
        with suppress(SettingsInvalid):
            values = _read_toml(path)
            if SUBSCRIBERS in values:
                yield GivenValue(", ".join(_listed(values[SUBSCRIBERS], path)), str(path))


def _listed(value: object, path: Path) -> list[str]:
    if isinstance(value, list) and all(isinstance(one, str) and one for one in value):
        return value
    raise SettingsInvalid(
        f"{path}: {SUBSCRIBERS} must be a list of folders",
        hint=f'write it as {SUBSCRIBERS} = ["../analytics"]',
    )


def _from_file(path: Path) -> dict[str, GivenValue]:
    values = _read_toml(path)
    if SUBSCRIBERS in values:
        _listed(values.pop(SUBSCRIBERS), path)
    known = {SUBSCRIBERS} | {setting.name for setting in SETTINGS if setting.variables}
    if unknown := sorted(values.keys() - known):
        raise SettingsInvalid(
            f"{path} has unknown keys: {', '.join(unknown)}", hint=_meant(unknown, sorted(known))
        )
    return {name: GivenValue(_text_of(value, name, path), str(path)) for name, value in values.items()}


def _meant(unknown: Iterable[str], known: Sequence[str]) -> str:
    from difflib import get_close_matches

    close = [f"{near[0]} for {key}" for key in unknown if (near := get_close_matches(key, known, n=1))]
    did = f"did you mean {', '.join(close)}? " if close else ""
    return f"{did}the keys are {', '.join(known)}"


def _text_of(value: object, name: str, path: Path) -> str:
    if not isinstance(value, str | bool):
        raise SettingsInvalid(f"{path}: {name} must be text")
    return _spelled(value)


def _read_toml(path: Path) -> dict[str, object]:
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as exc:
        raise SettingsInvalid(f"{path} cannot be read: {exc.strerror}") from exc
    import tomllib

    try:
        return tomllib.loads(text.decode())
    except ValueError as exc:
        raise SettingsInvalid(f"{path} is not TOML: {exc}") from exc


def _spelled(value: str | bool) -> str:
    return value if isinstance(value, str) else str(value).lower()


def _text(origin: GivenValue | None) -> str | None:
    return origin.value or None if origin else None


def _environment(origin: GivenValue | None) -> str | None:
    name = _text(origin)
    if origin and name and not ENVIRONMENT_NAME.fullmatch(name):
        raise SettingsInvalid(
            f"{name!r} (from {origin.place}) is not the name of an environment",
            hint="letters, digits and hyphens; the stack's name is b2b-pilot-NAME",
        )
    return name


def _choice(
    kind: type[Choice], origin: GivenValue | None, default: Choice, others: Collection[str] = ()
) -> Choice:
    if origin is None:
        return default
    try:
        return kind(origin.value)
    except ValueError as exc:
        known = ", ".join([*kind, *others])
        raise SettingsInvalid(f"{origin.value!r} (from {origin.place}) must be one of {known}") from exc


def _switch(origin: GivenValue | None) -> bool:
    if origin is None or origin.value.lower() in FALSE:
        return False
    if origin.value.lower() in TRUE:
        return True
    raise SettingsInvalid(f"{origin.value!r} (from {origin.place}) must be true or false")
