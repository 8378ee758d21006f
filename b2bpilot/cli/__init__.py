"""The command line: parse, call one function of ops, render, exit. Heavy imports stay inside the command that needs them."""
