"""What the pipeline costs this month, and what the polled queue that it replaced would have."""
