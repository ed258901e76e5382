"""Image files as arrays and back, and the loops over their pixels."""
