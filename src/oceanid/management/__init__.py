"""Management commands for a site of one's own."""
