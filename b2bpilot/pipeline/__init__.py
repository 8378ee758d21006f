"""What runs in Lambda and under the command line alike: messages, dead letters, the table, the state machine."""
