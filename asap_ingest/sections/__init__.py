"""Many sections in one run: which they are, what is done, what workers do next."""
