"""Stacks and volumes as arrays for Python programs: `open_stack`, `open_volume`."""
