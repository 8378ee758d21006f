"""What moto does anew at every start and every call, a third of a short test's CPU."""

from __future__ import annotations

import functools

import moto.core.models
import moto.core.responses


def make_cheap() -> None:
    """The 1,300 patterns of every start are for `requests`, over which nothing reaches AWS here."""
    moto.core.models.RESPONSES_METHODS.clear()
    for name in ("camelcase_to_underscores", "method_names_from_class"):
        setattr(moto.core.responses, name, functools.cache(getattr(moto.core.responses, name)))
