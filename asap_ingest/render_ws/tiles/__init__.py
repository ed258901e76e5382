"""Requests for tiles and shared transforms."""
