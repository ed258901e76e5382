"""Limits on the memory of requests and caches."""
