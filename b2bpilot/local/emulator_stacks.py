"""What ministack's CloudFormation drops of a function, set when it makes or changes one (docs/aws-facts.md#emulator-gaps)."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

Properties = Mapping[str, Any]
Made = tuple[str, dict[str, Any]]

FUNCTION, EVENT_INVOKE = "AWS::Lambda::Function", "AWS::Lambda::EventInvokeConfig"
LATEST = "$LATEST"


class StackSeam:
    """A function's dead-letter queue and reserve, and event invoke settings of `$LATEST`, which are the function's on AWS.

    An update leaves what somebody set beside the template, unless the template changed it.
    """

    def __init__(self) -> None:
        self._lambda = importlib.import_module("ministack.services.lambda_svc")
        provisioners = importlib.import_module("ministack.services.cloudformation.provisioners")
        self._handlers: dict[str, dict[str, Any]] = provisioners._RESOURCE_HANDLERS  # noqa: SLF001

    def install(self) -> None:
        function, event_invoke = self._handlers[FUNCTION], self._handlers[EVENT_INVOKE]
        function["create"] = self._creating(function["create"])
        function["update"] = self._updating(function["update"])
        event_invoke["create"] = self._configuring(event_invoke["create"], new=1)
        event_invoke["update"] = self._configuring(event_invoke["update"], new=2)

    def _creating(self, original: Callable[..., Made]) -> Callable[..., Made]:
        def create(logical_id: str, properties: Properties, stack_name: str) -> Made:
            made = original(logical_id, properties, stack_name)
            self._set(made[0], {}, properties)
            return made

        return create

    def _updating(self, original: Callable[..., Made]) -> Callable[..., Made]:
        def update(
            physical_id: str,
            old: Properties,
            new: Properties,
            stack_name: str,
            logical_id: str | None = None,
        ) -> Made:
            made = original(physical_id, old, new, stack_name, logical_id)
            self._set(made[0], old if made[0] == physical_id else {}, new)
            return made

        return update

    def _set(self, name: str, old: Properties, new: Properties) -> None:
        function = self._lambda._functions[name]  # noqa: SLF001
        if old.get("DeadLetterConfig") != (config := new.get("DeadLetterConfig")):
            function["config"]["DeadLetterConfig"] = dict(config or {})
        # A template's own number and a parameter's text are the same reserve.
        before, reserved = (_whole(each.get("ReservedConcurrentExecutions")) for each in (old, new))
        if before != reserved:
            function["concurrency"] = reserved

    def _configuring(self, original: Callable[..., Made], *, new: int) -> Callable[..., Made]:
        """`new` is the place of the properties among the parameters."""

        def configure(*arguments: Any) -> Made:
            made = original(*arguments)
            name, _, qualifier = made[0].partition(":")
            if qualifier == LATEST:
                self._lambda._put_event_invoke_config(name, None, _settings(arguments[new]))  # noqa: SLF001
            return made

        return configure


def _whole(value: object) -> int | None:
    return None if value is None else int(str(value))


def _settings(properties: Properties) -> dict[str, Any]:
    given = ("DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
    return {name: properties[name] for name in given if name in properties}
