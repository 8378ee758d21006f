"""A load of test messages, and the proof of what became of every one of them."""
