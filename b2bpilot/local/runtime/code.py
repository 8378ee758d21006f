"""Loading a handler the way a container does: a module of its own, that nobody else shares."""

from __future__ import annotations

import importlib.util
import itertools
import sys
from collections.abc import Callable, Collection, Mapping
from typing import Any

from b2bpilot.local.runtime.configuration import FunctionConfiguration

Handler = Callable[[Any, Any], Any]
Load = Callable[[FunctionConfiguration], Handler]
"""Return the handler of a new container: its own, which nobody else calls."""

INSTANCE = "#"
"""Stands between a module's name and the number of its instance."""

_instances = itertools.count(1)


class HandlerMissing(Exception):
    """The function's Handler setting names nothing that can be imported."""


def load_here(configuration: FunctionConfiguration) -> Handler:
    """Load from this process's own code, whatever code was uploaded."""
    return load_handler(configuration.handler, configuration.environment)


def only(load: Load, handlers: Collection[str]) -> Load:
    """Load these handlers and no others: whoever may set a function's Handler could run any function that Python can
    import."""

    def load_one_of_them(configuration: FunctionConfiguration) -> Handler:
        if configuration.handler not in handlers:
            raise HandlerMissing(
                f"'{configuration.handler}' is no handler of the template: nothing else is run here"
            )
        return load(configuration)

    return load_one_of_them


def load_handler(setting: str, environment: Mapping[str, str]) -> Handler:
    """Execute the handler's file as a fresh module and return the function that `package.module.function` names.

    The file keeps its path, so that breakpoints and tracebacks work. What it imports is shared with the process, but for
    its `environ`: a function finds its own variables there, and no other's.
    """
    module_name, _, function_name = setting.rpartition(".")
    origin = _origin(module_name)
    instance = f"{module_name}{INSTANCE}{next(_instances)}"
    fresh = importlib.util.spec_from_file_location(instance, origin)
    if fresh is None or fresh.loader is None:
        raise HandlerMissing(f"Unable to import module '{module_name}' from {origin}")
    module = sys.modules[instance] = importlib.util.module_from_spec(fresh)
    try:
        fresh.loader.exec_module(module)
        vars(module)["environ"] = environment
        handler: Handler | None = getattr(module, function_name, None)
    except BaseException:
        del sys.modules[instance]
        raise
    if handler is None:
        del sys.modules[instance]
        raise HandlerMissing(f"Handler '{function_name}' missing on module '{module_name}'")
    return handler


def _origin(module_name: str) -> str:
    try:
        spec = importlib.util.find_spec(module_name) if module_name else None
    except ModuleNotFoundError:
        spec = None
    if spec is None or spec.origin is None:
        raise HandlerMissing(f"Unable to import module '{module_name}': No module named '{module_name}'")
    return spec.origin


def unload_handler(handler: Handler) -> None:
    """Let what a container loaded end what it holds, where it has an `end` for that: the module instance that `load_handler`
    made, which is forgotten, or the handler itself."""
    name = getattr(handler, "__module__", "")
    module = sys.modules.pop(name) if INSTANCE in name else None
    end = getattr(module, "end", None) or getattr(handler, "end", None)
    if end is not None:
        end()
