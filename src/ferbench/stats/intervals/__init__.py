"""One file an interval of a mean: one function of the file's name.

`interval(values)` gives a `ferbench.stats.result.Interval`. `HOLDS_FROM` is the number of normal
values from which the interval holds the true mean in 95 % of cases.
"""
