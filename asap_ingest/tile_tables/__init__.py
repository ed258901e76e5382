"""Where the tiles of sections lie, as tables, file name patterns and other programs' files say it."""
