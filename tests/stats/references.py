"""Reference values of statistics, computed another way than the code does."""

import math

import numpy as np
import pandas as pd


def cluster_variance(values, clusters):
    """Variance of a mean whose values are correlated within clusters, and the number of clusters.

    sum over clusters of (sum of residuals)^2 / N^2 * C / (C - 1); NaN with fewer than two clusters.
    """
    x = pd.Series(np.asarray(values, dtype=np.float64))
    sums = (x - x.mean()).groupby(np.asarray(clusters)).sum().to_numpy()
    count = len(sums)
    if count < 2:
        return math.nan, count
    return float((sums**2).sum() / len(x) ** 2 * count / (count - 1)), count
