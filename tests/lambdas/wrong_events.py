"""Events that AWS does not send, but whoever may invoke a function, or another kind of API, or a later version, could."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

ODD_TEXT = st.text(st.characters(categories=["Cs", "Cc", "Cf", "L", "N"]), max_size=12)
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20) | ODD_TEXT
)
WHATEVER: st.SearchStrategy[object] = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=6,
)
"""Whatever JSON can hold."""

Place = tuple[str | int, ...]


@st.composite
def broken(draw: st.DrawFn, event: dict[str, Any]) -> Any:
    """The event with up to three of its parts replaced by whatever, or gone; or something else in its place."""
    found: Any = copy.deepcopy(event)
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.sampled_from(list(_places(found))))
        found = _changed(found, place, draw(st.just(GONE) | WHATEVER))
        if not isinstance(found, dict | list):
            break
    return found


GONE = object()


def _places(holder: Any, above: Place = ()) -> Iterator[Place]:
    yield above
    inside = (
        holder.items() if isinstance(holder, dict) else enumerate(holder) if isinstance(holder, list) else ()
    )
    for name, value in inside:
        yield from _places(value, (*above, name))


def _changed(holder: Any, place: Place, value: object) -> Any:
    if not place:
        return None if value is GONE else value
    parent = holder
    for name in place[:-1]:
        parent = parent[name]
    if value is GONE:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return holder
