"""What moto and botocore do anew at every start, session and call: a third of a short test's CPU."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import botocore.hooks
import moto.cloudformation.models
import moto.core.models
import moto.core.responses
import moto.sqs.models
import yaml


def make_cheap() -> None:
    """The 1,300 patterns of every start are for `requests`, over which nothing reaches AWS here."""
    moto.core.models.RESPONSES_METHODS.clear()
    _remember(moto.core.responses, "camelcase_to_underscores", "method_names_from_class")
    _remember(moto.sqs.models, "camelcase_to_underscores")
    _share_names_of_events()
    _read_templates_with_libyaml()
    botocore.hooks._PrefixTrie._recursive_copy = _copied
    botocore.hooks.accepts_kwargs = _accepts_kwargs


def _remember(module: Any, *names: str) -> None:
    for name in names:
        setattr(module, name, functools.cache(getattr(module, name)))


def _share_names_of_events() -> None:
    """Every session looks the 140 names of its events up among 60 old names."""
    shared: dict[str, str] = {}
    start = botocore.hooks.EventAliaser.__init__

    def start_with_names(aliaser: Any, *arguments: Any) -> None:
        start(aliaser, *arguments)
        aliaser._alias_name_cache = shared

    botocore.hooks.EventAliaser.__init__ = start_with_names


def _read_templates_with_libyaml() -> None:
    """moto reads a stack's template with PyYAML's parser in Python, where libyaml's reads the same."""
    if yaml.__with_libyaml__:
        fast = SimpleNamespace(**vars(yaml) | {"Loader": yaml.CLoader})
        yaml.CLoader.add_multi_constructor("", moto.cloudformation.models.yaml_tag_constructor)
        moto.cloudformation.models.yaml = fast


def _copied(trie: Any, node: dict[str, Any]) -> dict[str, Any]:
    """Each client copies the handlers of its session, without `copy.copy` in half of the time."""
    return {
        key: botocore.hooks.NodeList(*(part[:] for part in value))
        if isinstance(value, botocore.hooks.NodeList)
        else _copied(trie, value)
        if isinstance(value, dict)
        else value
        for key, value in node.items()
    }


def _accepts_kwargs(handler: Callable[..., Any]) -> bool:
    """botocore asks for the signature of each of 130 handlers, for every session."""
    code = getattr(handler, "__code__", None)
    if code is None:
        return inspect.getfullargspec(handler)[2] is not None
    return bool(code.co_flags & inspect.CO_VARKEYWORDS)
