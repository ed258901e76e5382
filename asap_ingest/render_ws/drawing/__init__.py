"""Pictures of tiles: from render parameters to the bytes of an image."""
