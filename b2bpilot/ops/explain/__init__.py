"""What the names mean that the tool, its alarms and its JSON use."""
