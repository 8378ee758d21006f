"""Acceptance tests for any environment: the command line is driven as a person would, with test messages only.

They need the installed command line and an environment, nothing of `b2bpilot.local`, and no AWS but its public API.
"""
