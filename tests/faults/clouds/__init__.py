"""Clusters while their supervisor is killed before and after every single call of a cloud."""
