"""The client side of a render service: sessions, stacks, tilespecs, pictures of boxes."""
