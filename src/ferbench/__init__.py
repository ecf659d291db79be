"""Facial-expression recognition: train, evaluate and compare models under one honest protocol.

The layers, in flow order: params, data, models, training, evaluation, stats, reporting, serving.
"""

# First: it sets switches that other packages read when they are imported.
from ferbench import environment as environment

__version__ = "0.1.0"
