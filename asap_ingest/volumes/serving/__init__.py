"""Volumes over HTTP: what a volume consists of, its files, and the answers to requests for them."""
