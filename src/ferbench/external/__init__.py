"""Data sets and predictions from outside a study: what `audit` and `judge` compute and show.

Nothing here needs a study, a checkout or a training, and no stage of the pipeline imports it.
"""
