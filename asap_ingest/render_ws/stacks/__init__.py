"""Stacks: their life cycle, versions, sections and bounds."""
