"""`python -m b2bpilot`."""

import sys

from b2bpilot.cli.app import main

sys.exit(main())
