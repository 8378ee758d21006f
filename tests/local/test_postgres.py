"""PostgreSQL of the local environment, where it cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from b2bpilot.errors import LocalEnvironmentError
from b2bpilot.local.postgres import Postgres


def test_a_folder_whose_path_is_too_long_for_a_socket_is_named(tmp_path: Path) -> None:
    """As TMPDIR is on some machines, and a home somewhere deep: then the library knows no other folder."""
    postgres = Postgres(tmp_path / ("x" * 110), lock=0)
    postgres._server.runtime_path = tmp_path / ("y" * 110)
    with pytest.raises(LocalEnvironmentError, match="x: the path is too long") as failure:
        postgres.start()
    assert "B2BPILOT_HOME" in str(failure.value.hint)
    assert [path.name for path in (tmp_path / ("x" * 110)).iterdir()] == []
