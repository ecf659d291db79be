"""A procedural renderer of faces: who is shown, what muscles do, how it is seen, the drawing."""
