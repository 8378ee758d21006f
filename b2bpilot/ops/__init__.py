"""The use cases of the command line. No printing here: functions take values and return values."""
