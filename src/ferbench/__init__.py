"""Facial-expression recognition: train, evaluate and compare models under one honest protocol.

The layers, in flow order: params, data, models, training, evaluation, stats, reporting, serving.
"""

from ferbench import environment as environment  # first: it sets switches that others read at import

__version__ = "0.1.0"
