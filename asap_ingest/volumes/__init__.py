"""Volumes for Neuroglancer: their grid, their chunks, and a server for them."""
