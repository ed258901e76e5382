"""Stacks and volumes behind one port, with one start page."""
