"""Tiles: stored, found, copied, deleted and validated."""
