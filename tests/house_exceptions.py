"""What is excepted from the rules of the house, and why. A line that is not needed any more fails its test until it is gone."""

from __future__ import annotations

OTHER_SENSES = {
    r"letters,? (and )?digits|letters that gsm|u\+2139, a letter": "of the alphabet",
    r"letters failure": "a column of the plan of a redrive: its field in JSON is public",
    r"to the letter": "exactly",
    r"`letter`": "the field of an expression of --where: public",
    r"the outside world": "a phrase",
}
"""Retired words that mean something else there, as patterns."""
