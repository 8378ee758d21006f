"""The table of submissions, as an operator's command may believe it."""
