"""The drill: one region of the local pair dies under traffic and comes back, and then the books are balanced."""
