"""Reads volumes back and finds faults. It shares no code with what writes them."""
