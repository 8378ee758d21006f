"""Text that is safe to show, and what people write for times, numbers and shares."""
