"""HTTP: what a request is, and the usual answers to it."""
