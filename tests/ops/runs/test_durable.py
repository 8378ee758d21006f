"""Files of whole lines: group commit, torn lines, locks, a disk that refuses."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from b2bpilot.errors import Refused
from b2bpilot.ops.runs.durable import DurableFile, JournalFailed, exclusive, is_in_use

THREADS, PER_THREAD = 16, 625

HOLDER = """
import sys, time
from pathlib import Path
from b2bpilot.ops.runs.durable import DurableFile
file = DurableFile.reopen(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "one.jsonl"


def test_only_the_owner_can_read_the_file_and_its_folder(path: Path) -> None:
    before = os.umask(0)
    try:
        DurableFile.create(path).close()
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_a_folder_that_was_there_keeps_its_mode_and_the_file_is_closed_to_others(
    path: Path, mode: int
) -> None:
    """The first round found a folder of the operator's closed to everybody else, such as /var/backups."""
    path.parent.mkdir()
    path.parent.chmod(mode)
    DurableFile.create(path).close()
    with exclusive(path.parent / "a.lock", "this"):
        pass
    assert stat.S_IMODE(path.parent.stat().st_mode) == mode
    assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}


def test_ten_thousand_lines_of_sixteen_threads_are_all_there_and_share_their_fsyncs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DurableFile.create(path)
    calls = []
    fsync = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append(1), fsync(descriptor))[1])

    def write(thread: int) -> None:
        for number in range(PER_THREAD):
            file.append([json.dumps([thread, number]).encode()])

    threads = [threading.Thread(target=write, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    file.close()

    found = [tuple(json.loads(line)) for line in path.read_bytes().splitlines()]
    assert sorted(found) == [(t, n) for t in range(THREADS) for n in range(PER_THREAD)]
    for thread in range(THREADS):
        assert [n for t, n in found if t == thread] == list(range(PER_THREAD)), "each thread's order is kept"
    assert len(calls) < THREADS * PER_THREAD / 2


def test_a_line_is_synced_before_append_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = DurableFile.create(path)
    synced = []
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(path.read_bytes()))
    file.append([b"one"])
    assert synced == [b"one\n"]
    file.close()


def test_an_interrupted_write_is_written_once_by_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DurableFile.create(path)
    fsync = os.fsync

    def interrupted(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.append([b"one"])
    file.append([b"two"])
    file.close()
    assert path.read_bytes() == b"one\ntwo\n"


def test_a_write_interrupted_before_its_fsync_leaves_no_rest(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DurableFile.create(path)
    pwrite = os.pwrite

    def interrupted(descriptor: int, data: bytes, place: int) -> int:
        monkeypatch.setattr(os, "pwrite", pwrite)
        pwrite(descriptor, data, place)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "pwrite", interrupted)
    with pytest.raises(KeyboardInterrupt):
        file.append([b"a long line", b"and another"])
    file.append([b"two"])
    file.close()
    assert path.read_bytes() == b"two\n"


def test_a_disk_that_refuses_is_told_to_every_writer_from_then_on(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = DurableFile.create(path)

    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    with pytest.raises(JournalFailed, match="No space left on device"):
        file.append([b"one"])
    monkeypatch.undo()
    with pytest.raises(JournalFailed, match="No space left on device"):
        file.append([b"two"])
    file.close()


@pytest.mark.parametrize("torn", [b'{"torn": ', b"x" * 200_000])
def test_reopening_cuts_a_torn_line_off(path: Path, torn: bytes) -> None:
    file = DurableFile.create(path)
    file.append([b"whole"])
    file.close()
    with path.open("ab") as out:
        out.write(torn)
    file = DurableFile.reopen(path)
    file.append([b"more"])
    file.close()
    assert path.read_bytes() == b"whole\nmore\n"


def test_reopening_a_file_with_a_torn_first_line_empties_it(path: Path) -> None:
    DurableFile.create(path).close()
    path.write_bytes(b"torn")
    DurableFile.reopen(path).close()
    assert path.read_bytes() == b""


def test_a_second_process_is_refused_until_the_first_was_killed(path: Path) -> None:
    DurableFile.create(path).close()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        assert is_in_use(path)
        with pytest.raises(Refused, match="in use by another process"):
            DurableFile.reopen(path)
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert not is_in_use(path)
    DurableFile.reopen(path).close()


def test_what_is_exclusive_is_refused_to_a_second_one(tmp_path: Path) -> None:
    lock = tmp_path / "runs" / "restore.lock"
    with (
        exclusive(lock, "another restore"),
        pytest.raises(Refused, match="another restore is running already"),
        exclusive(lock, "another restore"),
    ):
        pass
    with exclusive(lock, "another restore"):
        pass


def test_a_folder_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalFailed, match="cannot be used"):
        DurableFile.create(tmp_path / "file" / "runs" / "one.jsonl")


def test_a_thread_that_is_left_behind_writes_into_no_file_that_was_opened_since(tmp_path: Path) -> None:
    """The kernel gives the number of a closed file to the next one."""
    file = DurableFile.create(tmp_path / "journal.jsonl")
    file.close()
    with DurableFile.create(tmp_path / "another.jsonl") as another:
        another.append([b"its own"])
        with pytest.raises(JournalFailed):
            file.append([b"a result that came late"])
    assert (tmp_path / "another.jsonl").read_text() == "its own\n"
