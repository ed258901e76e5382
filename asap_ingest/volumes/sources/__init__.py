"""Planes of a volume: of image files, and of a stack that the render service draws."""
