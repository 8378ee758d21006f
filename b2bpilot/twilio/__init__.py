"""The Twilio seams: webhook signatures and the REST API."""
