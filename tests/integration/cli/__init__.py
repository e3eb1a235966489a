"""The command line, in the tests' own process."""
