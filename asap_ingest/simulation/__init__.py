"""A microscope that needs no microscope: an acquisition of one section of tissue."""
