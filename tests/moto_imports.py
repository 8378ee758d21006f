"""CloudFormation's ListImports, which moto has not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from moto.cloudformation.exceptions import ValidationError
from moto.cloudformation.responses import CloudFormationResponse
from moto.core.responses import ActionResult


def make_list_imports() -> None:
    CloudFormationResponse.list_imports = list_imports


def list_imports(response: CloudFormationResponse) -> ActionResult:
    wanted = response._get_param("ExportName")
    stacks = response.cloudformation_backend.stacks.values()
    found = [one.name for one in stacks if wanted in imported(one.template_dict)]
    if not found:
        raise ValidationError(message=f"Export '{wanted}' is not imported by any stack.")
    return ActionResult({"Imports": found})


def imported(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(name := value.get("Fn::ImportValue"), str):
            yield name
        for inner in value.values():
            yield from imported(inner)
    if isinstance(value, list):
        for inner in value:
            yield from imported(inner)
