"""The SQS version of the system, written down as its users run it: what docs/from-sqs-to-sns.md starts from. It shares no
code with the version of today."""
