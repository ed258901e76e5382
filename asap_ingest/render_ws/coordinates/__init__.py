"""Between positions on tiles and in the world."""
