"""Clouds: where machines come from; each is reached by an account."""
