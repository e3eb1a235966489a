"""The embedded portal."""
