"""Stacks and tiles: their JSON, their rules, and their way into the database and out of it."""
