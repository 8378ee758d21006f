"""`python -m b2bpilot`."""

from b2bpilot.cli.app import run

if __name__ == "__main__":
    run()
