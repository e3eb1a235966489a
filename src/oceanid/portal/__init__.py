"""The embedded Django site: what `oceanid up` serves."""
