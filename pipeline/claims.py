"""Judge the papers' claims, and the study's own, by the study's runs.

Reads results.csv, faces.parquet, replicates.parquet and variants/ of `reports/<study>/`, the
timings of `runs/<study>/_latency/` if there are any, `data/splits/<dataset>.json` and
`studies/catalogue`; writes `reports/<study>/claims.csv`.

    python pipeline/claims.py

Seconds.
"""

from pathlib import Path

from ferbench.artifacts.claims import write_claims
from ferbench.artifacts.paths import StudyPaths
from ferbench.cli.stage import run_stage
from ferbench.config.catalogue import Catalogue
from ferbench.config.claims import load_claims
from ferbench.config.params import load_params
from ferbench.config.tiers import claims_of_tiers, tiers_of
from ferbench.stats.claim_estimates import read_costs
from ferbench.stats.claim_rows import judge_claims
from ferbench.stats.evidence import read_evidence


def main() -> None:
    params = load_params()
    papers, tiers = load_claims(), tiers_of(Catalogue(Path("params.yaml")).variants)
    data = {row.tested_on for row in params.datasets.values()}
    narrow = claims_of_tiers(papers, tiers, params.variants, data)
    claims = (*papers, *narrow, *params.claims)
    rows = judge_claims(params, read_evidence(params), claims, read_costs(params))
    path = StudyPaths(params.study.name).reports / "claims.csv"
    write_claims(path, rows)
    print(f"{len(rows)} verdicts on {len({row.claim for row in rows})} claims -> {path}")


if __name__ == "__main__":
    run_stage(main)
