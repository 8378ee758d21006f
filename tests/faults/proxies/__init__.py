"""Proxies between the functions, the command line, PostgreSQL, AWS and Twilio: always in the way, harmless until told."""
