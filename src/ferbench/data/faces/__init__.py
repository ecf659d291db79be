"""A procedural renderer of faces: who is shown, which muscles act, how it is seen, and the drawing."""
