#!/usr/bin/env python3
"""Writes the reference figures for the tests of src/analysis: python3 scripts/stats-fixtures.py > tests/fixtures/stats.json

Needs numpy, scipy, statsmodels and scikit-learn. Inputs come from one fixed seed. References that resample use
enough resamples that the tests' tolerances are far above the noise."""

import json
import sys

import numpy as np
import statsmodels.api as sm
from scipy import optimize, stats
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, roc_auc_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import proportion_confint

RESAMPLES = 400_000
rng = np.random.default_rng(20261124)


def upper_bounds():
    counts = [(0, 30), (0, 59), (3, 37), (5, 100), (15, 200), (29, 30), (1, 1000), (700, 14042), (9000, 14042), (50_000, 200_000)]
    return [
        {"k": k, "n": n, "delta": delta, "bound": stats.beta.ppf(1 - delta, k + 1, n - k)}
        for k, n in counts
        for delta in (0.1, 0.05, 0.001)
    ]


def lower_tails():
    cases = [(1, 30, 0.15), (0, 10, 0.5), (28, 30, 0.2), (9999, 10_000, 0.5), (2000, 14_042, 0.15), (100, 100_000, 0.0013)]
    return [{"k": k, "n": n, "p": p, "tail": stats.binom.cdf(k, n, p)} for k, n, p in cases]


def wilson():
    rows = []
    for k, n in [(0, 10), (3, 37), (10, 10), (650, 1319), (14_000, 14_042)]:
        low, high = proportion_confint(k, n, alpha=0.05, method="wilson")
        rows.append({"k": k, "n": n, "low": low, "high": high})
    return rows


def paired_answers():
    pairs = [(0, 0), (1, 0), (5, 5), (3, 12), (14, 31), (400, 460)]
    return [{"gained": g, "lost": l, "p": mcnemar([[9, g], [l, 9]], exact=True).pvalue} for g, l in pairs]


def holm():
    p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.03, 0.9]
    return {"p": p, "adjusted": multipletests(p, method="holm")[1].tolist()}


def power():
    needed = NormalIndPower().solve_power(effect_size=0.03 / 0.4, alpha=0.05, power=0.8, ratio=0)
    return {"difference": 0.03, "sd": 0.4, "alpha": 0.05, "power": 0.8, "needed": float(needed)}


def interval(data, statistic, method):
    found = stats.bootstrap(
        data, statistic, paired=True, vectorized=True, method=method, n_resamples=RESAMPLES, batch=10_000, rng=rng
    ).confidence_interval
    return {"low": found.low, "high": found.high}


def ratio_change():
    base = np.round(rng.gamma(2.0, 150.0, 80)) + 1
    new = np.where(rng.random(80) < 0.35, np.round(base * rng.uniform(0.05, 0.4, 80)), base)

    def change(a, b, axis):
        return a.sum(axis=axis) / b.sum(axis=axis) - 1

    return {
        "new": new.tolist(),
        "base": base.tolist(),
        "value": change(new, base, 0),
        "bca": interval((new, base), change, "BCa"),
        "percentile": interval((new, base), change, "percentile"),
    }


def groups():
    sizes = rng.integers(1, 9, 40)
    effects = rng.normal(0.08, 0.25, 40)
    differences = [np.clip(np.round(rng.normal(effect, 0.6, size)), -1, 1) for effect, size in zip(effects, sizes)]
    sums = np.array([d.sum() for d in differences])

    def mean(a, b, axis):
        return a.sum(axis=axis) / b.sum(axis=axis)

    few = np.round(rng.normal(0.15, 0.3, 13), 3)
    exact = stats.permutation_test(
        (few,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    return {
        "rows": [[g, float(x)] for g, d in enumerate(differences) for x in d],
        "mean": mean(sums, sizes, 0),
        "percentile": interval((sums, sizes), mean, "percentile"),
        "few": few.tolist(),
        "few_p": exact.pvalue,
    }


def unequal_groups():
    """The sign-flip p-value of the mean over rows: the rows of a group change sign together, so the sums of groups are flipped."""
    rng = np.random.default_rng(20261127)
    sizes = [9, 1, 1, 2, 1, 5, 1, 3, 1, 1, 2, 1]
    differences = [np.clip(np.round(rng.normal(0.35 if size > 4 else -0.1, 0.6, size)), -1, 1) for size in sizes]
    n = sum(sizes)
    sums = np.array([d.sum() for d in differences])
    exact = stats.permutation_test(
        (sums,), lambda x, axis: x.sum(axis=axis) / n, permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    means = np.array([d.mean() for d in differences])
    other = stats.permutation_test(
        (means,), lambda x, axis: x.mean(axis=axis), permutation_type="samples", vectorized=True, n_resamples=np.inf
    )
    assert abs(exact.pvalue - other.pvalue) > 0.1, (exact.pvalue, other.pvalue)
    return {"rows": [[g, float(x)] for g, d in enumerate(differences) for x in d], "mean": sums.sum() / n, "p": exact.pvalue}


def bias_corrected(rows, figure):
    """Efron's bias-corrected percentile interval over groups of rows (confidence, right), from scipy's resamples."""
    members = [np.flatnonzero(rows["group"] == g) for g in range(rows["group"].max() + 1)]

    def of(groups):
        at = np.concatenate([members[int(g)] for g in groups])
        return figure(rows["confidence"][at], rows["right"][at])

    draws = stats.bootstrap(
        (np.arange(len(members)),), of, vectorized=False, method="percentile", n_resamples=20_000, rng=np.random.default_rng(5)
    ).bootstrap_distribution
    value = of(range(len(members)))
    z0 = stats.norm.ppf(((draws < value).mean() + (draws <= value).mean()) / 2)
    low, high = np.quantile(draws, stats.norm.cdf(2 * z0 + stats.norm.ppf([0.025, 0.975])))
    return {"value": float(value), "low": float(low), "high": float(high)}


def confidence_by_group():
    rng = np.random.default_rng(20261128)
    group = np.repeat(np.arange(50), 3)
    shift = np.repeat(rng.normal(0, 0.15, 50), 3)
    confidence = np.round(np.clip(rng.beta(6, 2, 150), 0, 1), 2)
    right = rng.random(150) < np.clip(confidence - 0.15 + shift, 0, 1)
    rows = {"group": group, "confidence": confidence, "right": right}
    return {
        "rows": [[int(g), float(c), bool(r)] for g, c, r in zip(group, confidence, right)],
        "auroc": bias_corrected(rows, lambda c, y: roc_auc_score(y, c)),
        "ece": bias_corrected(rows, lambda c, y: ece(c, y, 10)),
        "brier": bias_corrected(rows, lambda c, y: brier_score_loss(y, c)),
    }


def ece(confidence, right, bins):
    """Rows of equal mass; a row that would end inside a tie ends after it."""
    order = np.argsort(confidence, kind="stable")
    c, y = confidence[order], right[order]
    ends = sorted({int(np.searchsorted(c, c[max(b * len(c) // bins, 1) - 1], side="right")) for b in range(1, bins + 1)})
    return sum(abs(y[s:e].sum() - c[s:e].sum()) for s, e in zip([0, *ends], ends)) / len(c)


def aurc(confidence, right):
    """The mean over random orders of the ties, from its expectation at each rank."""
    total = 0.0
    for rank in range(1, len(confidence) + 1):
        edge = np.sort(confidence)[::-1][rank - 1]
        above, at = confidence > edge, confidence == edge
        total += ((~right[above]).sum() + (~right[at]).mean() * (rank - above.sum())) / rank
    return total / len(confidence)


def reliability():
    confidence = np.round(np.clip(rng.beta(6, 2, 300), 0, 1), 2)
    right = rng.random(300) < np.clip(confidence - 0.12, 0, 1)
    at = np.linspace(0, 1, 21)
    isotonic = IsotonicRegression(out_of_bounds="clip").fit(confidence, right)
    # Platt's targets, then the maximum-likelihood fit to them.
    positives, negatives = right.sum(), (~right).sum()
    target = np.where(right, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    intercept, slope = sm.GLM(target, sm.add_constant(confidence), family=sm.families.Binomial()).fit(tol=1e-14).params
    turned = np.where(right, 1 / (positives + 2), (negatives + 1) / (negatives + 2))

    def loss(line):
        log_odds = line[0] * confidence + line[1]
        return (np.logaddexp(0, log_odds) - turned * log_odds).sum()

    bounded = optimize.minimize(loss, [1.0, 0.0], bounds=[(0, None), (None, None)], method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9}).x
    return {
        "confidence": confidence.tolist(),
        "right": right.tolist(),
        "auroc": roc_auc_score(right, confidence),
        "brier": brier_score_loss(right, confidence),
        "aurc": aurc(confidence, right),
        "ece": ece(confidence, right, 10),
        "ece_bins": 10,
        "platt": {"slope": slope, "intercept": intercept},
        "platt_turned": {"slope": bounded[0], "intercept": bounded[1]},
        "at": at.tolist(),
        "isotonic": isotonic.predict(at).tolist(),
    }


parts = {
    "upper_bounds": upper_bounds(),
    "lower_tails": lower_tails(),
    "wilson": wilson(),
    "mcnemar": paired_answers(),
    "holm": holm(),
    "power": power(),
    "ratio_change": ratio_change(),
    "groups": groups(),
    "reliability": reliability(),
    "unequal_groups": unequal_groups(),
    "confidence_by_group": confidence_by_group(),
}
lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(part)}" for name, part in parts.items())
sys.stdout.write(f"{{\n{lines}\n}}\n")
