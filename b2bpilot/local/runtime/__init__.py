"""A small Lambda: it runs handlers in threads of this process, with AWS's rules for what happens around them.

The sources of those rules are sections A2 and A3 of the fact sheet behind docs/decisions/0001-emulator.md.
"""
