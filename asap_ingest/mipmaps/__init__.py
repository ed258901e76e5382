"""Image pyramids of tiles: where levels lie, how they are made, checked and registered."""
