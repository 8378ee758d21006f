"""Which processor a function's libraries are built for. Standard library only: it is asked when a library cannot be imported."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from pathlib import Path

ARM64, X86_64 = "arm64", "x86_64"
"""As the template's parameter and Lambda name them."""
MACHINES = {0xB7: ARM64, 0x3E: X86_64}
"""e_machine of an ELF header (elf(5))."""
HEADER_BYTES, ELF, ORDER, LITTLE, MACHINE = 20, b"\x7fELF", 5, 1, slice(18, 20)
NAMES = {"aarch64": ARM64}
LIBRARIES = "psycopg_binary"
"""What is compiled in an artifact, and needed."""
WITHOUT_BINARY = "python"
"""psycopg's way where its binary does not load and the system has a libpq of its own, which Lambda has not."""


class WrongArchitecture(ImportError):
    """The libraries are built for another processor than this one."""


def built_for(library: Path) -> str | None:
    """Return the architecture of one shared library; None where it is another one, or no library for Linux."""
    with library.open("rb") as file:
        header = file.read(HEADER_BYTES)
    if len(header) < HEADER_BYTES or not header.startswith(ELF):
        return None
    return MACHINES.get(int.from_bytes(header[MACHINE], "little" if header[ORDER] == LITTLE else "big"))


def architectures(folder: Path) -> frozenset[str]:
    """Return the architectures of all shared libraries below a folder; nothing where there are none."""
    return frozenset(found for library in _libraries(folder) if (found := built_for(library)))


def require_libraries() -> None:
    """Import what is compiled. Raises WrongArchitecture, in one line, where it is built for another processor.

    Lambda fails the event then, as it does for whatever a function raises: it is tried again and becomes a dead letter.
    """
    try:
        import psycopg
    except ImportError:
        _require_this_processor()
        raise
    if psycopg.pq.__impl__ == WITHOUT_BINARY:
        _require_this_processor()


def _require_this_processor() -> None:
    this, theirs = NAMES.get(platform.machine(), platform.machine()), _installed()
    if theirs and this not in theirs:
        raise WrongArchitecture(
            f"the artifact is built for {', '.join(sorted(theirs))}, and the function runs on {this}: "
            f"deploy it again with `make deploy ENV={_environment()}`, which builds it for what it sets"
        ) from None


def _libraries(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*.so*") if path.is_file())


def _installed() -> frozenset[str]:
    found = importlib.util.find_spec(LIBRARIES)
    places = found.submodule_search_locations if found else None
    return frozenset().union(*(architectures(Path(place)) for place in places or ()))


def _environment() -> str:
    """The function's name ends with it."""
    return os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "").partition("-processor-")[2] or "NAME"
