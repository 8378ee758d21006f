"""From a symptom to its cause: hypotheses in the order in which a message passes, each ruled out, found, or unknown."""
