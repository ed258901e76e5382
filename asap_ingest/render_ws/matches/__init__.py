"""Collections of point matches."""
