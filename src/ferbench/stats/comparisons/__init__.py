"""Tests of two variants, by name.

Each is a function that returns a `ferbench.stats.result.TestResult`, in which a positive number
means that B is higher, and is declared by `ferbench.stats.result.pair_test` with the kind of its
arguments and the formula of its power. Kinds:

- `seeds`: `test(a, b)`, one metric of A and of B by rising seed, each with all seeds it has;
  nothing is paired.
- `pairs`: `test(a, b)`, the same for the seeds that both have: value i of A and value i of B are of
  one seed.
- `rounds`: `test(a, b, test_share)`, like `pairs`, plus the number of test images divided by that
  of training images.
- `faces_best`: `test(a, b, groups)`, for every test face 1 if it was classified correctly and 0
  otherwise, each variant by the seed that is best on val. Face i of A is face i of B. `groups`
  names the person of each face, or its image where the person is unknown. Where every seed has its
  own split, the faces are those that both seeds have in test; there may be none.
- `faces_mean`: the same with the share of the seeds that classify the face correctly.
- `evidence`: `test(part, metric, a, b)`, all evidence of one data set under one protocol
  (`ferbench.stats.evidence.EvidencePart`), a metric and the names of A and B.

Tests of faces are tests of accuracy; other metrics have no value per face.

Every function returns p = 1 where A equals B; the negated estimate, statistic, effect and bounds if
A and B are swapped; and NaN, never an error, where there are too few values.
"""
