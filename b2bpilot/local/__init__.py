"""The whole system on one machine: PostgreSQL, AWS and the deployed template, with nothing but Python packages."""
