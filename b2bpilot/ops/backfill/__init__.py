"""Sending the messages of a period once more, from our own table to one subscriber only."""
