"""Reads volumes back and finds their faults; the formats are read without the code that writes them."""
