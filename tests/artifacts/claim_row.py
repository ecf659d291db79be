"""One row of `claims.csv`."""

from ferbench.artifacts.claims import ClaimRow

ROW = ClaimRow(
    claim="p1_sab",
    paper="p1",
    tables="T1 T3",
    source="fer2013",
    study="s",
    dataset="fer2013",
    protocol="official",
    metric="accuracy",
    robustness="",
    variant_a="ivsa",
    variant_b="vgg_improved",
    recipe="reduced",
    n_seeds=5,
    n_faces=3589,
    n_clusters=3000,
    cluster="image",
    printed=0.0214,
    estimate=0.01,
    low=-0.002,
    high=0.022,
    p_value=0.07,
    p_corrected=0.14,
    direction="undecided",
    size="compatible",
    decided_by="about 9 seeds",
    conditions="protocol official; the paper's own test images",
)
