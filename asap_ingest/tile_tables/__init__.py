"""Positions of tiles from tables, file name patterns and files of other programs."""
