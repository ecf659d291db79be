"""One file a way to look into a trained network, or at what it gets wrong.

A part is a function of the file's name. It is called with a `ferbench.evaluation.views.View`, the
network with the test faces it answered, and gives back a `ferbench.evaluation.gallery.Gallery`, or,
where it does not apply, the reason as a sentence without a full stop. What it draws depends on its
argument alone. Maps have the size of the network's input and lie in [0, 1], each scaled by itself;
the caption says what a bright place means.
"""
