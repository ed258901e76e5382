"""How much memory requests and caches may take, in bytes."""
