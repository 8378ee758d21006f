"""`python -m b2bpilot`, and the console script."""

import sys

INTERRUPTED = 130


def main() -> None:
    """Also a Ctrl-C while the program is still being loaded is no error of ours, and shows no traceback."""
    try:
        from b2bpilot.cli.app import run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
