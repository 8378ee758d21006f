"""What stands in for AWS in tests, one of each."""
