"""Where runs are computed: this machine, or a cluster that a YAML file describes.

The file has one of `address` and `cluster`; all other keys may be left out:

```yaml
cluster: dask_jobqueue.SLURMCluster   # or `address: tcp://head:8786`
options: {cores: 4, memory: 16GB, walltime: "12:00:00"}
workers: 8
resources: {GPU: 1}
shared: true
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, with_config

from ferbench.config.catalogue import read_yaml
from ferbench.config.records import RECORD, Line, Options, build_record, refusal
from ferbench.errors import InputError

__all__ = ["Cluster", "load_cluster"]

_SCHEMES = ("tcp", "tls", "ws", "wss", "ucx")


def _address(text: str) -> str:
    scheme, _, rest = text.partition("://")
    host, _, port = rest.rpartition(":")
    if scheme not in _SCHEMES or not host or not port.isdecimal():
        raise refusal(
            f"{text!r} is no address of a scheduler", "write it as in tcp://127.0.0.1:8786"
        )
    return text


def _class_path(text: str) -> str:
    module, _, name = text.rpartition(".")
    if not all(word.isidentifier() for word in [*module.split("."), name]):
        raise refusal(
            f"{text!r} is no class of a package", "write it as in dask_jobqueue.SLURMCluster"
        )
    return text


@with_config(RECORD)
@dataclass(frozen=True)
class Cluster:
    """A Dask cluster, and how its workers come by the study's files.

    Args:
        address: of a scheduler that is running.
        cluster: the class that starts a cluster, with its package.
        options: keyword arguments of that class.
        workers: the number of workers that a cluster of that class is asked for.
        resources: what a run takes of a worker, such as `GPU: 1`; workers are started with them.
        shared: whether workers see this checkout's files. Otherwise each has a clone, and files
            are exchanged through DVC's default remote.
        checkout: folder of the checkout, or the clone, on workers; null for this checkout's path,
            or for the folder in which a worker that has a clone was started.
    """

    address: Annotated[str, AfterValidator(_address)] | None = None
    cluster: Annotated[str, AfterValidator(_class_path)] | None = None
    options: Options = field(default_factory=dict)
    workers: Annotated[int, Field(ge=1, le=10_000)] = 1
    resources: Mapping[str, Annotated[float, Field(gt=0)]] = field(default_factory=dict)
    shared: bool = True
    checkout: Line | None = None

    @property
    def is_local(self) -> bool:
        """Whether it is made of threads of this process."""
        return self.address is None and self.cluster is None


def load_cluster(word: str) -> Cluster:
    """The cluster that a command line names.

    Args:
        word: the address of a scheduler whose workers see this checkout, or a YAML file.

    Raises:
        InputError: it is neither, or the file is faulty.
    """
    if "://" in word:
        return _checked({"address": word}, "--cluster")
    path = Path(word)
    if not path.is_file():
        raise InputError(
            f"{word!r} is neither a file nor an address",
            where="--cluster",
            remedy="give a YAML file, or the address of a scheduler as in tcp://127.0.0.1:8786",
        )
    return _checked(read_yaml(path), word)


def _checked(tree: Any, where: str) -> Cluster:
    if not isinstance(tree, dict):
        raise InputError("is no mapping", where=where, remedy="write `key: value`")
    cluster: Cluster = build_record(Cluster, tree, where)
    if (cluster.address is None) == (cluster.cluster is None):
        raise InputError(
            "needs one of `address` and `cluster`",
            where=where,
            remedy="name a running scheduler by its address, or the class of a cluster to start",
        )
    if cluster.address is not None and (cluster.options or "workers" in tree):
        raise InputError(
            "`options` and `workers` are those of a cluster that is started, not of an address",
            where=where,
            remedy="leave them out, or name a class by `cluster`",
        )
    return cluster
