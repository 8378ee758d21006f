"""The wheel: what an installed b2bpilot needs beside its code."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's contents, as pip lays them into site-packages."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site-packages")
    return folder / "site-packages"


def in_the_wheel(installed: Path, statement: str) -> str:
    """What the statement prints when the checkout is out of reach."""
    code = f"import sys; sys.path.insert(0, {str(installed)!r}); {statement}"
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=installed
    )
    return done.stdout


def test_the_template_and_the_migrations_are_found(installed: Path) -> None:
    printed = in_the_wheel(
        installed,
        "from b2bpilot import resources;"
        "from b2bpilot.ops.migrations.files import read_migrations;"
        "print(resources.template().read_text().count('AWS::Serverless::Function'),"
        " len(read_migrations(resources.migrations())))",
    )

    assert printed.split() == ["4", str(len(list((ROOT / "migrations").glob("*.sql"))))]


def test_the_cas_of_rds_are_there(installed: Path) -> None:
    printed = in_the_wheel(
        installed,
        "from b2bpilot.pipeline.authorities import BLOCK, OF_RDS;"
        "print(OF_RDS, len(BLOCK.findall(OF_RDS.read_text())))",
    )
    path, count = printed.split()

    assert path.startswith(str(installed))
    assert int(count) == (ROOT / "b2bpilot/pipeline/rds.pem").read_text().count("BEGIN CERTIFICATE")


@pytest.mark.parametrize(
    "function",
    ["webhook_handler", "background_processor", "stale_message_processor", "dead_letter_redriver"],
)
def test_the_functions_are_there(installed: Path, function: str) -> None:
    printed = in_the_wheel(installed, f"import lambdas.{function}.handler as h; print(h.__file__)")

    assert printed.strip().startswith(str(installed))


def test_the_console_script_is_declared(installed: Path) -> None:
    (entry_points,) = installed.glob("b2bpilot-*.dist-info/entry_points.txt")

    assert "b2bpilot = b2bpilot.__main__:main" in entry_points.read_text()
