"""The installed package works outside a checkout, offline, with the model that it contains."""

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
from tests.serving.models import model_folder

from ferbench.config.params import Params
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


@pytest.mark.slow
def test_installed_package_predicts_outside_a_checkout(tmp_path: Path, params: Params) -> None:
    source = tmp_path / "source"
    shutil.copytree(PROJECT / "src", source / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, source)
    boxed = source / "src" / "ferbench" / "serving" / "models"
    shutil.rmtree(boxed, ignore_errors=True)
    model_folder(boxed / "tiny", params, "vgg_improved")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    wheel = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, source]
    subprocess.run(wheel, check=True, capture_output=True)
    (built,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, built], check=True)

    folder = tmp_path / "elsewhere"
    folder.mkdir()
    picture = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(folder / "face.png"), picture[:, :, ::-1])
    done = subprocess.run(
        [sys.executable, "-c", NO_NETWORK, "predict", "face.png", "--crop", "--json"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (face,) = json.loads(done.stdout)["faces"]
    ((expected,),) = Predictor.load(boxed / "tiny").predict_crops([picture])
    assert face["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert [path.name for path in folder.iterdir()] == ["face.png"]
