"""The subscriptions of the topic: whether each can receive, and which messages it takes."""
