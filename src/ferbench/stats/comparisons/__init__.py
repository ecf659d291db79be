"""One file a test of two variants: one function of the file's name, and what it says of itself.

A function gives a `ferbench.stats.result.TestResult`, in which a positive number says that B is
higher. `INPUT` tells what it is called with.

- `seeds`: `test(a, b)`, one metric of A and of B by rising seed, each with all seeds it has;
  nothing is paired.
- `pairs`: `test(a, b)`, the same of the seeds that both have, so that value i of A and value i of B
  are of one seed.
- `rounds`: `test(a, b, test_share)`, as `pairs`, and the number of test images over that of
  training images.
- `faces_best`: `test(a, b, groups)`, 0 or 1 for every test face, 1 where it was given its true
  label; each side by the seed that is best on val. Face i of A is face i of B. `groups` names the
  person of each face, or its image where the person is not known. Where every seed has a split of
  its own, faces are those that both seeds have on test; there may be none.
- `faces_mean`: the same with the share of the seeds that have the face right.

Tests of faces are tests of accuracy; other metrics have no value a face.

`POWER` names the formula of `ferbench.stats.effects` for the least difference that the test would
find: `two_samples`, `pairs`, `discordant`, or `none` where there is none.

Every function gives p = 1 where A equals B; the negative estimate, statistic, effect and bounds if
A and B are swapped; and NaN, never an error, where its values are too few.
"""
