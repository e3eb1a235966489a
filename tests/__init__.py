"""The tests of Oceanid."""
