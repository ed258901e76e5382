"""Pages on sections: one each, and an index over all of them."""
