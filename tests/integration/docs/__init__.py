"""The documentation, followed as it is written."""
