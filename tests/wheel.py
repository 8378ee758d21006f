"""b2bpilot as its users have it: the wheel, installed with what `local` needs into an environment of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.once import once

ROOT = Path(__file__).parents[1]


def installed_wheel() -> Path:
    """Return the environment's folder. It knows nothing of this checkout."""
    return once("installed", _install) / "environment"


def _install(folder: Path) -> None:
    _run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT))
    (wheel,) = folder.glob("*.whl")
    environment = str(folder / "environment")
    uv = str(Path(sys.executable).parent / "uv")
    _run(uv, "venv", "--quiet", "--python", sys.executable, environment)
    versions = str(ROOT / "constraints.txt")
    _run(
        uv, "pip", "install", "--quiet", "--python", environment, "--constraint", versions, f"{wheel}[local]"
    )


def _run(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
