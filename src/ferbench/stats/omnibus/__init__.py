"""Tests of all variants at once, by name.

`test(scores, alpha)` returns a `ferbench.stats.result.OmnibusResult`. `scores` is (N, k): N blocks
and k variants, larger is better, no missing values. A block is what the variants have in common: a
seed on one data set, or a seed on each of several. Permuting the variants changes nothing.

Seeds on one test set are not independent data sets. A test with seeds as blocks is about that data
set only, and blocks of several data sets are counted too often to the extent that their seeds
agree; published tables of ranks have data sets as blocks.
"""
