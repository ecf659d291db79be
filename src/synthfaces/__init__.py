"""A procedural renderer of expressive faces, from action units to whole data sets."""
