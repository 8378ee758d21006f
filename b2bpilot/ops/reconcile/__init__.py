"""What Twilio received and we never stored: found, explained, and published again."""
