"""A word on the database, for tests of what is asked in it."""

from b2bpilot.ops.table.database_proof import DatabaseProof

PROVEN = DatabaseProof(
    place="pilot at db.internal:5432", origin="a test", is_proven=True, why="it is the test's"
)
UNPROVEN = DatabaseProof(
    place="copy at localhost:6543", origin="--database-url", is_proven=False, why="nobody knows it"
)
