"""Methods that explain a trained network's predictions, or show its errors.

A method is called with a `ferbench.evaluation.explain.View`, the network with the test faces it has
predictions for, and returns a `ferbench.evaluation.gallery.Gallery`, or, where it does not apply,
the reason as a sentence without a full stop. What it draws depends on its argument alone. Maps have
the size of the network's input and lie in [0, 1], each scaled by itself; the caption explains what
a bright place means.
"""
