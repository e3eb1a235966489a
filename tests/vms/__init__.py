"""A cluster's machines, really booted from the user-data that clouds get."""
