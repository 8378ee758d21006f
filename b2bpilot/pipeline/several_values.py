"""Parameters of which some have several values, in a mapping that has one value for each name.

The last value stands under the name, as readers of one value have always had it. All values of such names, in their
order, stand in one more parameter, as JSON text: a row, a dead letter or an archive keeps them, and so does a version of
the pipeline that knows nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence

ALL_VALUES = "b2bpilot:all-values"


def parameters(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the pairs as parameters. Nothing is lost, also where a name is ours."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    several = {name: found for name, found in values.items() if len(found) > 1 or name == ALL_VALUES}
    single = {name: found[-1] for name, found in values.items()}
    return single | ({ALL_VALUES: json.dumps(several)} if several else {})


def values_of(params: Mapping[str, str], name: str) -> Sequence[str]:
    """Return all values of a parameter, in their order; none when it is not there."""
    several = _several(params)
    if name in several:
        return several[name]
    return [params[name]] if name in params and not (several and name == ALL_VALUES) else []


def pairs_of(params: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the parameters as a form has them: a name comes as often as it has values."""
    several = _several(params)
    for name, value in params.items():
        if name in several:
            yield from ((name, each) for each in several[name])
        elif not (several and name == ALL_VALUES):
            yield name, value


def _several(params: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """Text that is not ours is a parameter like every other."""
    try:
        found = json.loads(params.get(ALL_VALUES, "{}"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) and all(map(_is_list_of_text, found.values())) else {}


def _is_list_of_text(found: object) -> bool:
    return isinstance(found, list) and bool(found) and all(isinstance(each, str) for each in found)
