"""`make drill`: drills at drawn moments, and messages over both webhooks at once, in one local pair."""
