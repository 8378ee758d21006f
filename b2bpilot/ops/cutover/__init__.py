"""Pointing Twilio at another webhook, and back."""
