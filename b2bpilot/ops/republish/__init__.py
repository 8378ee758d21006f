"""Publishing rows again that wait for a person: which of them, and a run that is proven by the rows."""
