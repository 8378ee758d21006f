"""`b2bpilot runs`, and how a changing command keeps its journal and is resumed."""
