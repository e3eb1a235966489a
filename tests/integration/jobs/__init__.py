"""The Job Manager, through what app developers import."""
