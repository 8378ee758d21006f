"""`make faults ARGS="--minutes 10 --seed 7"`: a run whose books must balance. Exit code 1: they do not."""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.document import write
from tests.faults.options import Options, options_of
from tests.faults.run import run
from tests.faults.summary import Summary, as_markdown, as_text


def main() -> int:
    options = options_of(sys.argv[1:])
    print(f"seed {options.seed}", flush=True)
    home = options.keep or Path(tempfile.mkdtemp(prefix="b2bpilot-faults-"))
    summary = run(home / "home", options, progress=_progress(time.monotonic()))
    print(f"\n{as_text(summary)}")
    if options.write:
        write(options.write, "Faults", as_markdown(summary))
    _end(home, options, summary)
    return summary.exit_code


def _progress(started: float):
    return lambda text: print(f"{time.monotonic() - started:6.0f} s  {text}", flush=True)


def _end(home: Path, options: Options, summary: Summary) -> None:
    """Evidence is thrown away only when it proves nothing wrong."""
    if options.keep or not summary.balances:
        print(f"\nThe evidence is in {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
