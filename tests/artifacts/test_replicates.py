"""Draws of clusters of test faces, and the file of metrics on them."""

import numpy as np
import pandas as pd
import pytest

from ferbench.artifacts.replicates import (
    COLUMNS,
    REPLICATES,
    cluster_names,
    draw_clusters,
    read_replicates,
    write_replicates,
)
from ferbench.errors import InputError


def test_faces_are_grouped_by_person_else_by_sequence_else_by_image():
    faces = pd.DataFrame(
        {
            "image_id": ["a", "a", "b", "c", "d", "d"],
            "face": [0, 1, 0, 0, 0, 0],
            "person": ["p", "p", None, None, "p", "p"],
            "sequence": ["s", "s", "s", None, None, None],
        }
    )
    found = cluster_names(faces)
    assert found.to_dict() == {
        ("a", 0): "person p",
        ("a", 1): "person p",
        ("b", 0): "sequence s",
        ("c", 0): "image c",
        ("d", 0): "person p",
    }
    assert set(cluster_names(faces.drop(columns=["person", "sequence"]))) == {
        f"image {name}" for name in "abcd"
    }


def test_draws_depend_on_the_set_of_clusters_alone():
    names = pd.Series([f"person {n}" for n in range(7)])
    draws = draw_clusters(names)
    again = draw_clusters(pd.concat([names[::-1], names]))
    assert list(draws.names) == sorted(names)
    assert np.array_equal(draws.weights, again.weights)
    assert draws.weights.shape == (1 + REPLICATES, 7)
    assert (draws.weights[0] == 1).all()
    assert (draws.weights.sum(axis=1) == 7).all()
    # The variance of a multinomial count: n p (1 - p) with n = 7, p = 1 / 7.
    assert draws.weights[1:].var(axis=0).mean() == pytest.approx(6 / 7, rel=0.15)


def test_replicates_are_read_as_written(tmp_path):
    row = {**dict.fromkeys(COLUMNS, "x"), "seed": 0, "replicate": 0, "value": 0.5}
    table = pd.DataFrame([{**row, "clusters": 3, "faces": 9}])
    write_replicates(tmp_path / "replicates.parquet", table)
    pd.testing.assert_frame_equal(read_replicates(tmp_path / "replicates.parquet"), table[COLUMNS])
    write_replicates(tmp_path / "empty.parquet", table.iloc[:0])
    assert read_replicates(tmp_path / "empty.parquet").empty


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="no replicates"):
        read_replicates(tmp_path / "replicates.parquet")
    pd.DataFrame({"value": [1.0]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InputError, match=r"columns are \['value'\]"):
        read_replicates(tmp_path / "other.parquet")
