"""The functions. Each folder is one; what they share is in b2bpilot.pipeline."""

import logging

# The metric filters read our INFO lines, so they are written whatever the function's log level is.
logging.getLogger("b2bpilot").setLevel(logging.INFO)
logging.getLogger(__name__).setLevel(logging.INFO)
# botocore tells at INFO where it found credentials and endpoints: two lines a start, which say nothing.
logging.getLogger("botocore").setLevel(logging.WARNING)
