"""A small Azure on the loopback, over TLS: ARM as Microsoft describes it, as far as we need it."""
