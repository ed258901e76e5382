"""Requests for pictures of tiles, boxes and sections."""
