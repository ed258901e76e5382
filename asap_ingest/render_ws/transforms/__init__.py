"""Transforms of tiles: specifications, classes, and the boxes that follow from them."""
