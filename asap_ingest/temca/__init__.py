"""Metafiles of pyTEMCA: read, placed, as tilespecs."""
