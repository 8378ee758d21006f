"""An emulator as it is, without the local environment's replacements: what `sam deploy` meets in CI."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3

from b2bpilot.aws.session import AwsAccess
from b2bpilot.local.emulator_process import HOST, free_port

READY_SECONDS = 120


@pytest.fixture(scope="session")
def plain_emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsAccess]:
    folder, port = tmp_path_factory.mktemp("emulator"), free_port(0)
    settings = {
        "GATEWAY_PORT": str(port), "BIND_HOST": HOST, "MINISTACK_HOST": HOST, "IOT_MTLS_ENABLED": "0",
        "PERSIST_STATE": "0", "STATE_DIR": str(folder), "S3_DATA_DIR": str(folder), "LOG_LEVEL": "WARNING",
    }  # fmt: skip
    code = "import sys; del sys.argv[1:]; import ministack.app; ministack.app.main()"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code], env=os.environ | settings, stdout=log, stderr=log, cwd=folder
        )
    try:
        _wait_until_it_answers(f"http://{HOST}:{port}", process, folder / "log")
        yield AwsAccess(
            region="eu-west-1",
            endpoint_url=f"http://{HOST}:{port}",
            access_key_id="test",
            secret_access_key="test",
            is_told_all=True,
        )
    finally:
        process.terminate()
        process.wait(60)


def _wait_until_it_answers(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_SECONDS
    with urllib3.PoolManager(retries=False) as http:
        while time.monotonic() < deadline:
            assert process.poll() is None, log.read_text()
            try:
                if http.request("GET", f"{url}/_ministack/health", timeout=1).status == 200:
                    return
            except urllib3.exceptions.HTTPError:
                time.sleep(0.05)
    pytest.fail("the emulator does not answer")
