"""`docs/pages/findings.md` and the verdicts in the README, made from `reports/claims.csv`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, nan
from pathlib import Path

import pandas as pd

from ferbench.artifacts.claims import AGAINST_SENTENCE, NOT_TESTED, ClaimRow, read_claims
from ferbench.config.claims import load_claims
from ferbench.config.params import load_params
from ferbench.errors import InputError
from ferbench.files import whole_file
from ferbench.reporting.all_claims import known_tiers
from ferbench.reporting.claim_words import amount, bounds, is_ratio, is_undecided
from ferbench.reporting.judged_values import JudgedValue, judged_values
from ferbench.reporting.learning_curves import NOTICEABLE, learning_curves
from ferbench.reporting.numbers import NOTHING, count, decimal, metric_words, points
from ferbench.reporting.published import Publication, published_studies
from ferbench.reporting.rendering import markdown_cell, render
from ferbench.reporting.settled import VERDICTS, SettledClaim, settle_claims
from ferbench.reporting.withdrawn import read_withdrawn

__all__ = ["PAGE", "README", "FindingsPage", "findings_of", "write_findings"]

PAGE = Path("docs") / "pages" / "findings.md"
README = Path("README.md")
# Invisible on a rendered page; what stands between them is replaced.
_BEGIN, _END = "<!-- verdicts: begin -->", "<!-- verdicts: end -->"
_OPEN = ("undecided", NOT_TESTED)


@dataclass(frozen=True)
class FindingsPage:
    """What the page is made of.

    Args:
        claims: with their verdicts, in the order of `VERDICTS`.
        elsewhere: comparisons on another data set than the paper's, which settle no claim.
        sentences: of the claims, by id.
        publications: of the studies that count.
        printed: printed values with a verdict about their reproduction.
        late_gains: the largest late gain of a study's networks, by study.
    """

    claims: Sequence[SettledClaim]
    elsewhere: Sequence[ClaimRow]
    sentences: Mapping[str, str]
    publications: Sequence[Publication]
    printed: Sequence[JudgedValue] = ()
    late_gains: Mapping[str, float] = field(default_factory=dict)

    def page(self) -> str:
        """The text of `findings.md`."""
        groups = {
            verdict: [claim for claim in self.claims if claim.verdict == verdict]
            for verdict in VERDICTS
        }
        untested = groups.pop(NOT_TESTED)
        context = {
            "tally": self.tally,
            "printed": self.printed,
            "printed_tally": self.printed_tally,
            "groups": {verdict: own for verdict, own in groups.items() if own},
            "elsewhere": self.elsewhere,
            "untested": list(self._untested(claim.rows[0] for claim in untested)),
            "publications": self.publications,
            "claim_words": self._claim_words,
            "where": _where,
            "amount": _amount,
            "bounds": _bounds,
            "faces": _faces,
            "seeds": _seeds,
            "is_undecided": is_undecided,
            "hours": lambda value: decimal(value, 1),
            "millions": lambda one: decimal(one.images and one.images / 1e6, 2),
            "memory": lambda one: NOTHING if one.peak_mib is None else count(one.peak_mib),
            "noticeable": decimal(100 * NOTICEABLE, 0),
            "late_gain": lambda one: points(self.late_gains.get(one.study, nan)),
            "commits": lambda one: ", ".join(commit[:10] for commit in one.commits),
        }
        return render("findings.md", context)

    @property
    def tally(self) -> str:
        """One sentence: how many claims have which verdict."""
        counts = Counter(claim.verdict for claim in self.claims)
        parts = [f"{counts[verdict]} {verdict}" for verdict in VERDICTS if counts[verdict]]
        rows = [row for claim in self.claims for row in claim.rows if row.study]
        rows += self.elsewhere
        decided = sum(not is_undecided(row) for row in rows)
        return (
            f"Of {len(self.claims)} claims: {', '.join(parts)}. They were tested in {len(rows)} "
            f"comparisons, each of two networks on a data set and its split, of which {decided} "
            "are decided."
        )

    @property
    def printed_tally(self) -> str:
        """One sentence: how many printed values were reproduced; empty if none was judged."""
        if not self.printed:
            return ""
        counts = Counter(value.verdict for value in self.printed)
        parts = [f"{number} {verdict}" for verdict, number in counts.items()]
        return (
            f"Of {len(self.printed)} printed values that studies have measured under conditions "
            f"which allow a verdict: {', '.join(parts)}."
        )

    def summary(self) -> str:
        """The README's part: the tallies, and a table of all decided comparisons."""
        own = [row for claim in self.claims if claim.verdict not in _OPEN for row in claim.rows]
        rows = [self._line(row) for row in (*own, *self.elsewhere) if not is_undecided(row)]
        head = (
            "| claim | A over B | data, split | printed | ours | 95 % interval | seeds "
            "| test faces | verdict |\n|---|---|---|---:|---:|---:|---:|---:|---|"
        )
        return "\n".join(
            [" ".join(filter(None, (self.tally, self.printed_tally))), "", head, *rows]
        )

    def _untested(self, rows: Iterable[ClaimRow]) -> Iterator[tuple[str, str, str]]:
        """Comparisons that no study has made, of a claim on a data set: both, and the pairs."""
        pairs: dict[tuple[str, str], list[str]] = defaultdict(list)
        for row in rows:
            altered = f" ({row.altered})" if row.altered else ""
            pairs[self._claim_words(row), row.source].append(f"{row.pair}{altered}")
        for (words, source), own in pairs.items():
            yield words, source, ", ".join(own)

    def _line(self, row: ClaimRow) -> str:
        where = _where(row) + ("" if row.source else "; not the paper's data")
        cells = [self._claim_words(row), row.pair, where, _amount(row, row.printed)]
        cells += [_amount(row, row.estimate), _bounds(row), _seeds(row), _faces(row)]
        return f"| {' | '.join(map(markdown_cell, [*cells, row.direction]))} |"

    def _claim_words(self, row: ClaimRow) -> str:
        sentence = self.sentences.get(row.claim, row.claim)
        metric = "" if row.metric == "accuracy" else f" ({metric_words(row.metric)})"
        tables = f"{row.paper.upper()} {row.tables}: " if row.tables else ""
        opposes = AGAINST_SENTENCE in row.conditions
        against = " (the paper's own difference is the other way round)" if opposes else ""
        return f"{tables}{sentence}{metric}{against}"


def _seeds(row: ClaimRow) -> str:
    """Number of seeds; a dash for a ratio of costs, which has none."""
    return str(row.n_seeds) if row.n_seeds else NOTHING


def findings_of(root: Path) -> FindingsPage:
    """What the published studies found.

    Args:
        root: the project's folder, with `reports/claims.csv` up to date.

    Raises:
        InputError: a file is faulty.
    """
    rows = read_claims(root / "reports" / "claims.csv")
    studies = sorted({row.study for row in rows if row.study})
    published = published_studies(root / "reports")
    standing = {*published} - {*read_withdrawn(root / "reports")}
    files = [root / "studies" / f"{name}.yaml" for name in studies]
    own = [claim for path in files if path.is_file() for claim in load_params(path).claims]
    known = (*own, *load_claims(root / "studies" / "catalogue" / "claims.yaml"))
    return FindingsPage(
        claims=settle_claims(rows, known_tiers(root)),
        elsewhere=[row for row in rows if row.study and not row.source],
        sentences={claim.id: claim.sentence for claim in known},
        publications=[published[name] for name in studies],
        printed=judged_values(root / "reports", standing),
        late_gains=dict(_late_gains(root / "reports", studies)),
    )


def _late_gains(reports: Path, studies: Sequence[str]) -> Iterator[tuple[str, float]]:
    """The largest late gain of each study that has trained networks."""
    for study in studies:
        path = reports / study / "plots" / "history.csv"
        if path.is_file():
            gains = [curve.late_gain for curve in learning_curves(pd.read_csv(path))]
            known = [gain for gain in gains if not isnan(gain)]
            if known:
                yield study, max(known)


def write_findings(root: Path) -> None:
    """Write the page, and the README's part between its two markers.

    Args:
        root: the project's folder.

    Raises:
        InputError: the README does not have both markers, or a file is faulty.
    """
    readme = (root / README).read_text(encoding="utf-8")
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise InputError(
            "has no place for the verdicts",
            where=README,
            remedy=f"write `{_BEGIN}` and `{_END}` where they belong",
        )
    found = findings_of(root)
    texts = {
        PAGE: found.page(),
        README: f"{before}{_BEGIN}\n\n{found.summary()}\n\n{_END}{after}",
    }
    for path, text in texts.items():
        with whole_file(root / path) as temporary:
            temporary.write_text(text, encoding="utf-8")


def _where(row: ClaimRow) -> str:
    altered = f", altered: {row.altered}" if row.altered else ""
    return f"{row.dataset}, {row.protocol}{altered}" if row.dataset else NOTHING


def _amount(row: ClaimRow, value: float) -> str:
    """A difference in points, or a ratio with a sign of its own."""
    text = amount(row, value)
    return f"x {text}" if is_ratio(row) and not isnan(value) else text


def _bounds(row: ClaimRow) -> str:
    return NOTHING if isnan(row.low) or isnan(row.high) else bounds(row)


def _faces(row: ClaimRow) -> str:
    """Number of test faces and of their clusters."""
    if not row.n_faces:
        return NOTHING
    return f"{count(row.n_faces)} of {count(row.n_clusters)} {_plural(row.cluster)}"


def _plural(cluster: str) -> str:
    return " or ".join(f"{word}s" for word in cluster.split(" or "))
