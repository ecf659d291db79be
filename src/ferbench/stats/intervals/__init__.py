"""Intervals of a mean, by name.

`interval(values)` returns a `ferbench.stats.result.Interval`, and is declared by
`ferbench.stats.result.holds_from` with the number of normal values from which it covers the true
mean in 95 % of cases.
"""
