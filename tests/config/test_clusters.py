"""The description of a cluster is checked before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from ferbench.config.clusters import Cluster, load_cluster
from ferbench.errors import InputError


def load(folder: Path, text: str) -> Cluster:
    path = folder / "cluster.yaml"
    path.write_text(text, encoding="utf-8")
    return load_cluster(str(path))


def test_nothing_given_is_this_machine() -> None:
    assert Cluster().is_local


def test_an_address_is_a_scheduler_whose_workers_share_this_checkout() -> None:
    cluster = load_cluster("tcp://127.0.0.1:8786")
    assert cluster == Cluster(address="tcp://127.0.0.1:8786")
    assert cluster.shared
    assert not cluster.is_local


def test_a_file_names_a_class_with_its_options(tmp_path: Path) -> None:
    text = """
    cluster: dask_jobqueue.SLURMCluster
    options: {cores: 4, memory: 16GB, walltime: "12:00:00"}
    workers: 8
    resources: {GPU: 1.0}
    shared: false
    checkout: /scratch/ferbench
    """
    assert load(tmp_path, text) == Cluster(
        cluster="dask_jobqueue.SLURMCluster",
        options={"cores": 4, "memory": "16GB", "walltime": "12:00:00"},
        workers=8,
        resources={"GPU": 1.0},
        shared=False,
        checkout="/scratch/ferbench",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "needs one of `address` and `cluster`"),
        ("[tcp://a:1]", "is no mapping"),
        ("{address: tcp://a:1, cluster: a.B}", "needs one of `address` and `cluster`"),
        ("{address: 'head:8786'}", "address: 'head:8786' is no address of a scheduler"),
        ("{address: tcp://head}", "is no address of a scheduler"),
        ("{cluster: SLURMCluster}", "cluster: 'SLURMCluster' is no class of a package"),
        ("{cluster: a.B, workers: 0}", "workers: must be at least 1, is 0"),
        ("{cluster: a.B, resources: {GPU: 0}}", "resources: GPU: must be above 0, is 0"),
        ("{address: tcp://a:1, workers: 2}", "`options` and `workers` are those of a cluster"),
        ("{address: tcp://a:1, share: true}", "unknown key 'share'"),
        ("{address: tcp://a:1, shared: 1}", "shared: must be true or false, is 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        load(tmp_path, text)
    assert message in str(refused.value)
    assert str(tmp_path / "cluster.yaml") in str(refused.value)
    assert refused.value.remedy


@pytest.mark.parametrize("word", ["no_such_file.yaml", "head:8786"])
def test_neither_a_file_nor_an_address_is_refused(word: str) -> None:
    with pytest.raises(InputError, match="is neither a file nor an address"):
        load_cluster(word)


def test_an_address_without_a_port_is_refused() -> None:
    with pytest.raises(InputError, match="--cluster: address: 'tcp://head' is no address"):
        load_cluster("tcp://head")
