"""The installed package predicts, audits and judges outside a checkout, offline."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.example_study import PROJECT

from ferbench.serving.box import boxed_model
from ferbench.serving.images import read_image
from ferbench.serving.predictor import Predictor

# Every connection fails.
NO_NETWORK = """
import socket, sys
def refuse(*args, **kwargs):
    raise OSError("no network in this test")
socket.socket.connect = socket.getaddrinfo = refuse
from ferbench.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of packages that the built wheel was installed into."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    shutil.copytree(PROJECT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", place, source]
    subprocess.run(wheel, check=True, capture_output=True)
    (built,) = place.glob("*.whl")
    target = place / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", target, built], check=True)
    return target


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder with pictures of noise in split folders, and nothing else."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for emotion in ("happiness", "sadness"):
            for number in range(4):
                path = tmp_path / "faces" / split / emotion / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), rng.integers(0, 256, (40, 40), dtype=np.uint8))
    return tmp_path


def ferbench(site: Path, folder: Path, *words: str, status: int = 0) -> str:
    """What an installed command prints in a folder, without network."""
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.mark.thorough
def test_installed_package_predicts_outside_a_checkout(site: Path, faces: Path) -> None:
    assert "predict" in ferbench(site, faces, "--help")
    path = "faces/test/sadness/0.png"
    printed = ferbench(site, faces, "predict", path, "--crop", "--json")
    (face,) = json.loads(printed)["faces"]
    ((expected,),) = Predictor.load(boxed_model()).predict_crops([read_image(faces / path)])
    assert face["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert [path.name for path in faces.iterdir()] == ["faces"]


@pytest.mark.thorough
def test_installed_package_audits_and_judges_outside_a_checkout(site: Path, faces: Path) -> None:
    audited = json.loads(ferbench(site, faces, "audit", "faces", "--json"))
    assert audited["counts"]["images"] == 16
    rows = [f"test/{name}/{n}.png" for name in ("happiness", "sadness") for n in range(4)]
    lines = [f"{row},{'1,0' if row.startswith('test/hap') else '0,1'}" for row in rows]
    (faces / "net_seed0.csv").write_text("path,happiness,sadness\n" + "\n".join(lines))
    words = ("judge", "net_seed0.csv", "--dataset", "folder", "--data", "faces", "--json")
    judged = json.loads(ferbench(site, faces, *words))
    assert judged["models"]["net"]["metrics"]["accuracy"]["value"] == 1
    assert sorted(path.name for path in faces.iterdir()) == ["faces", "net_seed0.csv"]
