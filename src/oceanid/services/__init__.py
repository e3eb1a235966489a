"""The only code that writes state: every transaction begins with a write."""
