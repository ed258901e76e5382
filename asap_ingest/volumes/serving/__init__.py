"""Volumes over HTTP: which names a volume has, its files, and the answers to requests for them."""
