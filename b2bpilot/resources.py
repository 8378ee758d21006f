"""Where the files that are not code are: the template and the migrations, in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).parent


def template() -> Path:
    """Return the SAM template."""
    return _resource("template.yaml")


def migrations() -> Path:
    """Return the folder of the SQL files."""
    return _resource("migrations")


def lambdas() -> Path:
    """Return the folder of the functions' code."""
    return PACKAGE.parent / "lambdas"


def code(path: str) -> Path:
    """Return a file that lies beside our code."""
    return PACKAGE / path


def _resource(name: str) -> Path:
    """A wheel carries them beside the code (pyproject.toml, force-include); a checkout has them at its root."""
    packaged = PACKAGE / "_deploy" / name
    return packaged if packaged.exists() else PACKAGE.parent / name
