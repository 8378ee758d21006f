"""The checkout that is deployed: its template, its samconfig.toml, and what `sam build` made of it."""

from __future__ import annotations

import shlex
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from b2bpilot.errors import SettingsInvalid
from b2bpilot.ops.verify.template import parse
from b2bpilot.pipeline.architecture import architectures

NEEDED = ("template.yaml", "samconfig.toml", "lambdas/Makefile", "constraints.txt")
"""What an installed wheel lacks."""


@dataclass(frozen=True, slots=True)
class Checkout:
    root: Path

    @classmethod
    def at(cls, root: Path) -> Self:
        """Raises SettingsInvalid where nothing can be built."""
        if missing := [name for name in NEEDED if not (root / name).is_file()]:
            raise SettingsInvalid(
                f"{root} is not a checkout of b2bpilot: {', '.join(missing)} is missing",
                hint="a deploy builds the functions from their sources: run `make deploy` in a checkout",
            )
        return cls(root)

    @property
    def template(self) -> dict[str, Any]:
        return dict(parse((self.root / "template.yaml").read_text(encoding="utf-8")))

    @property
    def artifacts(self) -> Path:
        return self.root / ".aws-sam" / "build"

    def config(self, environment: str) -> SamConfig:
        """Return samconfig.toml's section of the environment. Raises SettingsInvalid."""
        path = self.root / "samconfig.toml"
        try:
            sections = tomllib.loads(path.read_text(encoding="utf-8"))
        except ValueError as exc:
            raise SettingsInvalid(f"{path} is not TOML: {exc}") from exc
        deploy = sections.get(environment, {}).get("deploy", {}).get("parameters")
        if deploy is None:
            return SamConfig(has_section=False)
        return SamConfig(has_section=True, overrides=_overrides(deploy.get("parameter_overrides", [])))

    def require_built_for(self, architecture: str) -> None:
        """Raises SettingsInvalid unless each artifact is there, and its libraries are of this architecture."""
        functions = [
            name
            for name, each in self.template["Resources"].items()
            if each["Type"] == "AWS::Serverless::Function"
        ]
        for name in functions:
            folder = self.artifacts / name
            if not folder.is_dir():
                raise SettingsInvalid(
                    f"{name} is not built: {folder} is missing", hint="leave out --no-build"
                )
            if wrong := architectures(folder) - {architecture}:
                raise SettingsInvalid(
                    f"the artifact of {name} is built for {', '.join(sorted(wrong))}, "
                    f"and the functions are to run on {architecture}: nothing was deployed",
                    hint=f"leave out --no-build, or build with B2BPILOT_ARCH={architecture}",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class SamConfig:
    """What samconfig.toml says of an environment's deploys."""

    has_section: bool
    overrides: dict[str, str] = field(default_factory=dict)


def _overrides(said: str | list[str]) -> dict[str, str]:
    """sam takes a list of `Name=value`, or one text with all of them. A file that it names stays its own business."""
    words = shlex.split(said) if isinstance(said, str) else said
    return dict(word.split("=", 1) for word in words if "=" in word)
