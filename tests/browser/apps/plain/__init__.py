"""An app whose pages have a frame of their own, as those of other sites have."""
