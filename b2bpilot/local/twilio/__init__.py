"""A double of Twilio: it answers the endpoints that we use as Twilio's OpenAPI description says, and calls webhooks.

Reached through `TWILIO_API_URL`; the SDK itself is untouched. `https://api.twilio.com/PATH` is `URL/api/PATH` here.
"""
