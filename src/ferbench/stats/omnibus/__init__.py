"""One file a test of all variants at once: one function of the file's name.

`test(scores, alpha)` gives a `ferbench.stats.result.OmnibusResult`. `scores` is (N, k): N blocks
and k variants, larger is better, nothing missing. A block is what the variants share: a seed on one
data set, or a seed on each of several.

Seeds on one test set are not independent data sets. What such a test finds with seeds for blocks is
true of that data set, and the blocks of several data sets count too much by as much as their seeds
agree; published tables of ranks have data sets for blocks.

Tests take the variants alike: permuting them changes nothing.
"""
