import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from tests.stats import nulls

from ferbench import plugins
from ferbench.stats.comparisons.faces import cluster_bootstrap, mcnemar
from ferbench.stats.comparisons.t_tests import corrected_t, independent_t, paired_t, welch
from ferbench.stats.comparisons.wilcoxon import wilcoxon
from ferbench.stats.pair_tests import load_test

PACKAGE = "ferbench.stats.comparisons"
# Tests of all evidence have tests of their own: of `primary`, tests/stats/test_primary.py.
TESTS = [n for n in plugins.names(PACKAGE) if load_test(n).kind != "evidence"]
POWERS = ("two_samples", "welch", "pairs", "discordant", "primary", "none")


def sample(mean, std, n, seed=0):
    """`n` values of exactly this mean and standard deviation."""
    return mean + std * stats.zscore(np.random.default_rng(seed).normal(size=n), ddof=1)


def drawn(name, seed=3):
    """Arguments of a test: A, B, which differ, and the others."""
    a, b, *more = nulls.DRAW[load_test(name).kind](np.random.default_rng(seed))
    return a, b, more


@pytest.mark.parametrize("name", TESTS)
def test_equal_samples_have_no_difference(name):
    a, _, more = drawn(name)
    result = plugins.load(PACKAGE, name)(a, a, *more)
    assert result.p_value == 1
    assert result.estimate == result.effect_size == result.statistic == 0
    assert result.low <= 0 <= result.high
    assert result.n == len(a)


@pytest.mark.parametrize("name", TESTS)
def test_swapped_samples_negate_the_effect(name):
    a, b, more = drawn(name)
    run = plugins.load(PACKAGE, name)
    there, back = run(a, b, *more), run(b, a, *more)
    assert there.estimate == pytest.approx(np.mean(b) - np.mean(a))
    assert there.estimate != 0
    assert there.p_value == pytest.approx(back.p_value)
    assert there.estimate == pytest.approx(-back.estimate)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
    assert there.low < there.estimate < there.high
    assert there.effect_size == pytest.approx(-back.effect_size)
    assert there.statistic == pytest.approx(-back.statistic)
    assert np.sign(there.effect_size) == np.sign(there.statistic)


@pytest.mark.thorough
@pytest.mark.parametrize("name", TESTS)
def test_false_positive_rate_is_at_most_the_level(name):
    test = load_test(name)
    share = nulls.false_positives(name, test.run, nulls.DRAW[test.kind])
    # Tests of counts cannot meet 5 % exactly; they stay below it.
    assert 0.02 < share < nulls.limits(600)[1]


@pytest.mark.parametrize("name", TESTS)
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_values_give_nan_and_no_error(name, n):
    a, b, more = drawn(name)
    more = [values[:n] if np.ndim(values) else values for values in more]
    result = plugins.load(PACKAGE, name)(a[:n], b[:n], *more)
    assert math.isnan(result.p_value)
    assert math.isnan(result.low)
    assert math.isnan(result.estimate) == (n == 0)
    assert result.n == n


@pytest.mark.parametrize("name", TESTS)
def test_declared_kind_and_power_are_known(name):
    test = load_test(name)
    assert test.kind in nulls.DRAW
    assert test.power in POWERS


@pytest.mark.parametrize("run", [independent_t, welch])
def test_unpaired_t_tests_without_spread_are_undefined(run):
    assert run([0.7, 0.7], [0.7, 0.7])[:3] == (0.0, 1.0, 0.0)
    apart = run([0.7, 0.7], [0.8, 0.8])
    assert math.isnan(apart.p_value)
    assert apart.estimate == pytest.approx(0.1)


def test_welch_agrees_with_its_formula():
    a, b = sample(0.70, 0.02, 5), sample(0.75, 0.05, 8, seed=1)
    result = welch(a, b)
    va, vb = 0.02**2 / 5, 0.05**2 / 8
    df = (va + vb) ** 2 / (va**2 / 4 + vb**2 / 7)
    half = stats.t.ppf(0.975, df) * math.sqrt(va + vb)
    assert result.statistic == pytest.approx(0.05 / math.sqrt(va + vb))
    assert result.p_value == pytest.approx(2 * stats.t.sf(result.statistic, df))
    assert (result.low, result.high) == pytest.approx((0.05 - half, 0.05 + half))
    assert result.n == 5


def test_unpaired_t_tests_reproduce_p0_table_3():
    # Printed: t 2.81, p 0.01. From the same means and deviations: pooled, df 18, p 0.0116; Welch,
    # df 17.40, p 0.0119.
    a, b = sample(76.8, 8.26, 10), sample(86.33, 6.84, 10, seed=3)
    for run, p, pooled in ((independent_t, 0.0116, True), (welch, 0.0119, False)):
        result = run(a, b)
        assert result.statistic == pytest.approx(2.810, abs=5e-4)
        assert result.p_value == pytest.approx(p, abs=5e-5)
        reference = stats.ttest_ind_from_stats(86.33, 6.84, 10, 76.8, 8.26, 10, equal_var=pooled)
        assert result.p_value == pytest.approx(reference.pvalue)


def test_welch_with_spread_in_one_sample_is_a_one_sample_test():
    b = [0.70, 0.72, 0.74]
    assert welch([0.7, 0.7, 0.7], b).p_value == pytest.approx(stats.ttest_1samp(b, 0.7).pvalue)


def test_independent_t_agrees_with_its_formula():
    a, b = sample(0.70, 0.02, 5), sample(0.75, 0.05, 8, seed=1)
    result = independent_t(a, b)
    error = math.sqrt((4 * 0.02**2 + 7 * 0.05**2) / 11 * (1 / 5 + 1 / 8))
    half = stats.t.ppf(0.975, 11) * error
    assert result.statistic == pytest.approx(0.05 / error)
    assert result.p_value == pytest.approx(2 * stats.t.sf(0.05 / error, 11))
    assert (result.low, result.high) == pytest.approx((0.05 - half, 0.05 + half))


def test_paired_t_agrees_with_scipy_and_detects_what_an_unpaired_test_misses():
    seeds = sample(0.7, 0.05, 8)
    a, b = seeds, seeds + sample(0.01, 0.005, 8, seed=1)
    result, reference = paired_t(a, b), stats.ttest_rel(b, a)
    assert result.statistic == pytest.approx(reference.statistic)
    assert result.p_value == pytest.approx(reference.pvalue)
    assert result[3:5] == pytest.approx(tuple(reference.confidence_interval(0.95)))
    assert result.effect_size == pytest.approx(2.0)
    assert result.p_value < 0.01
    assert welch(a, b).p_value > 0.5


@pytest.mark.parametrize("run", [paired_t, lambda a, b: corrected_t(a, b, 0.1)])
def test_paired_tests_of_constant_differences_are_undefined(run):
    # In floats 0.72 - 0.70 and 0.73 - 0.71 are not equal; they are the same difference.
    result = run([0.70, 0.71, 0.5], [0.72, 0.73, 0.52])
    assert math.isnan(result.p_value)
    assert result.estimate == pytest.approx(0.02)


@pytest.mark.parametrize("run", [paired_t, wilcoxon])
def test_samples_of_different_length_cannot_be_paired(run):
    with pytest.raises(ValueError, match="3 values of A cannot be paired with 2 of B"):
        run([1, 2, 3], [1, 2])


def test_corrected_t_agrees_with_the_formula_of_nadeau_and_bengio():
    a, b, share = sample(0.7, 0.03, 15), sample(0.72, 0.03, 15, seed=1), 1 / 9
    result, naive = corrected_t(a, b, share), paired_t(a, b)
    # The variance of the mean is 1/J + n_test/n_train in place of 1/J times that of a difference.
    assert result.statistic == pytest.approx(naive.statistic / math.sqrt(1 + 15 * share))
    assert result.p_value == pytest.approx(2 * stats.t.sf(abs(result.statistic), 14))
    wider = (result.high - result.low) / (naive.high - naive.low)
    assert wider == pytest.approx(math.sqrt(1 + 15 * share))
    for wrong in (0, -1, math.nan, math.inf):
        with pytest.raises(ValueError, match="no share of test images"):
            corrected_t(a, b, wrong)


def test_wilcoxon_agrees_with_scipy_with_ties_and_zeros():
    a, b = sample(0.7, 0.03, 11), sample(0.72, 0.03, 11, seed=1)
    assert wilcoxon(a, b).p_value == stats.wilcoxon(b, a, method="exact").pvalue
    d = np.array([1.0, 1.0, 2.0, -3.0, 4.0, 4.0, 5.0, -1.0, 0.0])
    # Every choice of signs, enumerated.
    ranks = stats.rankdata(np.abs(d[:-1]))
    signs = np.array(np.meshgrid(*[[-1, 1]] * 8)).reshape(8, -1)
    sums, seen = ranks @ signs, (np.sign(d[:-1]) * ranks).sum()
    result = wilcoxon(np.zeros(9), d)
    assert result.p_value == pytest.approx((np.abs(sums) >= seen).mean())
    assert result.statistic == seen
    assert result.effect_size == pytest.approx(seen / 36)


def test_wilcoxon_cannot_reject_with_five_seeds():
    result = wilcoxon([0, 0, 0, 0, 0], [1, 2, 3, 4, 5])
    assert result.p_value == pytest.approx(2 / 2**5)
    assert math.isnan(result.low)
    assert wilcoxon([0] * 6, [1, 2, 3, 4, 5, 6]).low == 1


@pytest.mark.parametrize("n", [6, 15, 60])
def test_wilcoxon_bounds_are_where_the_test_begins_to_reject(n):
    d = sample(0.4, 1.0, n)
    result = wilcoxon(np.zeros(n), d)
    for bound, inside in ((result.low, 1e-4), (result.high, -1e-4)):
        assert stats.wilcoxon(d - (bound + inside)).pvalue > 0.05
        assert stats.wilcoxon(d - (bound - inside)).pvalue <= 0.05 + 0.002 * (n > 50)


def discordant(only_a, only_b, agree=100):
    a, b = [1] * only_a + [0] * only_b, [0] * only_a + [1] * only_b
    return mcnemar(a + [1] * agree, b + [1] * agree, range(only_a + only_b + agree))


def test_mcnemar_p_is_exact_for_few_and_mid_p_for_many_discordant_faces():
    few, many = discordant(3, 12), discordant(59, 121)
    table = [[0, 3], [12, 0]]
    assert few.p_value == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue)
    # Agresti, "Categorical Data Analysis", 2nd edition, table 10.1: approval ratings of 1,600, of
    # which 150 and 86 changed; z^2 = 17.36. Mid-p lies near that test without continuity.
    approval = discordant(150, 86, agree=1364)
    assert approval.statistic**2 == pytest.approx(17.36, abs=5e-3)
    for result, counts in ((many, (59, 121)), (approval, (150, 86))):
        below = stats.binom.cdf(min(counts) - 1, sum(counts), 0.5)
        assert result.p_value == pytest.approx(
            2 * below + stats.binom.pmf(min(counts), sum(counts), 0.5)
        )
        assert result.p_value == pytest.approx(2 * stats.norm.sf(abs(result.statistic)), rel=0.2)
    assert discordant(40, 40).p_value == 1
    assert discordant(0, 0).p_value == 1


def test_mcnemar_bounds_are_those_of_bonett_and_price():
    # Fagerland, Lydersen and Laake, "Recommended tests and confidence intervals for paired binomial
    # proportions", Statistics in Medicine 33(16), 2014: of 21 patients 1 alone before, 7 alone
    # after; the exact p, and Wald with Bonett and Price's adjustment, written out.
    result = discordant(1, 7, agree=13)
    assert result.p_value == pytest.approx(0.0703, abs=5e-5)
    p, q, n = 8 / 23, 2 / 23, 23
    half = 1.959964 * math.sqrt((p + q - (p - q) ** 2) / n)
    assert (result.low, result.high) == pytest.approx((p - q - half, p - q + half), abs=1e-6)
    assert result.estimate == pytest.approx(6 / 21)


def test_mcnemar_refuses_means_over_seeds():
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        mcnemar([0.5, 1.0], [1.0, 1.0], "ab")


def test_cluster_bootstrap_agrees_with_a_loop_over_drawn_persons():
    a, b, groups = nulls.faces_mean(np.random.default_rng(5), persons=25)
    result = cluster_bootstrap(a, b, groups)
    d = b - a
    of = [d[groups == person] for person in range(25)]

    def mean_and_error(parts):
        faces = np.concatenate(parts)
        sums = [(part - faces.mean()).sum() for part in parts]
        return faces.mean(), math.sqrt(25 / 24 * np.square(sums).sum()) / len(faces)

    mean, error = mean_and_error(of)
    assert result.statistic == pytest.approx(mean / error)
    rng, t = np.random.default_rng(9), []
    for _ in range(2000):
        m, e = mean_and_error([of[i] for i in rng.integers(25, size=25)])
        t.append(abs(m - mean) / e)
    p = np.mean(np.array(t) >= abs(mean / error))
    # Two Monte Carlo shares of 2,000 and 4,999 draws.
    assert result.p_value == pytest.approx(p, abs=4 * math.sqrt(0.25 / 2000 + 0.25 / 4999))
    assert (result.high - result.low) / 2 == pytest.approx(np.quantile(t, 0.95) * error, rel=0.05)


def test_cluster_bootstrap_is_reproducible_and_independent_of_the_persons_names():
    a, b, groups = nulls.faces_mean(np.random.default_rng(5))
    first = cluster_bootstrap(a, b, groups)
    assert first == cluster_bootstrap(a, b, groups)
    names = np.array([f"person {g}" for g in groups], dtype=object)
    assert cluster_bootstrap(a, b, names) == first


def test_cluster_bootstrap_with_one_face_per_person_is_near_mcnemar_and_paired_t():
    a, b, groups = nulls.faces_best(np.random.default_rng(2), faces=1000)
    result = cluster_bootstrap(a, b, groups)
    assert result.statistic == pytest.approx(paired_t(a, b).statistic)
    assert result.p_value == pytest.approx(paired_t(a, b).p_value, abs=0.03)
    assert result.p_value == pytest.approx(mcnemar(a, b, groups).p_value, abs=0.03)


def test_cluster_bootstrap_without_spread_between_persons_is_undefined():
    one_person = cluster_bootstrap([0, 1, 0], [1, 1, 1], ["a", "a", "a"])
    assert math.isnan(one_person.p_value)
    assert one_person.estimate == pytest.approx(2 / 3)
    alike = cluster_bootstrap([0, 0, 0, 0], [1, 0, 1, 0], ["a", "a", "b", "b"])
    assert math.isnan(alike.p_value)
    cancel = cluster_bootstrap([2 / 3, 0, 0, 1], [0, 1 / 3, 1 / 3, 1], ["a", "a", "a", "b"])
    assert cancel.p_value == 1
