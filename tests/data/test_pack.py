"""Packing and reading back, on images made here."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from ferbench.artifacts.pack import Pack, write_pack
from ferbench.data.pack import AHEAD, pack_images
from ferbench.errors import InputError

SIZES = {"b": (5, 7, 3), "a": (4, 4, 1), "c": (40, 20, 3)}  # (H, W, C)


def raw_images(
    raw: Path, sizes: dict[str, tuple[int, int, int]]
) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    pixels = {name: rng.integers(0, 256, size, dtype=np.uint8) for name, size in sizes.items()}
    raw.mkdir(exist_ok=True)
    for name, image in pixels.items():
        Image.fromarray(image.squeeze(-1) if image.shape[2] == 1 else image).save(
            raw / f"{name}.png"
        )
    return pixels


def an_index(sizes: dict[str, tuple[int, int, int]]) -> pd.DataFrame:
    rows = [(name, f"{name}.png", w, h) for name, (h, w, _) in sizes.items()]
    return pd.DataFrame(rows, columns=["image_id", "path", "width", "height"])


def sums(pack: Pack) -> list[int]:
    return [int(pack.image(name).sum()) for name in pack.ids]


def test_pack_returns_the_packed_pixels(tmp_path: Path) -> None:
    pixels = raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    pack = Pack(tmp_path / "pack")
    assert pack.ids == ["a", "b", "c"]
    assert len(pack) == 3
    for name, image in pixels.items():
        assert pack.image(name).shape == image.shape
        assert (pack.image(name) == image).all()


def test_image_is_a_read_only_view(tmp_path: Path) -> None:
    raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    image = Pack(tmp_path / "pack").image("b")
    assert not image.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        image[0, 0, 0] = 1


def test_order_is_kept_over_several_batches_of_threads(tmp_path: Path) -> None:
    sizes = {f"{i:03d}": (1 + i % 5, 1 + i % 7, 1) for i in range(2 * AHEAD + 3)}
    pixels = raw_images(tmp_path / "raw", sizes)
    index = an_index(sizes).sample(frac=1, random_state=0)
    pack_images(index, tmp_path / "raw", tmp_path / "pack")
    pack = Pack(tmp_path / "pack")
    assert pack.ids == sorted(sizes)
    assert all((pack.image(name) == pixels[name]).all() for name in sizes)


def test_long_sides_are_scaled_down_by_area(tmp_path: Path) -> None:
    pixels = raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack", max_side_px=20)
    pack = Pack(tmp_path / "pack")
    assert (pack.image("b") == pixels["b"]).all()
    by_hand = pixels["c"].reshape(20, 2, 10, 2, 3).mean(axis=(1, 3))
    assert pack.image("c").shape == (20, 10, 3)
    assert np.abs(pack.image("c") - by_hand).max() <= 0.5
    assert (
        pack.image("c") == cv2.resize(pixels["c"], (10, 20), interpolation=cv2.INTER_AREA)
    ).all()


def test_pack_can_be_pickled_for_other_processes(tmp_path: Path) -> None:
    raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    pack = Pack(tmp_path / "pack")
    expected = sums(pack)  # opens the file here first
    assert len(pickle.dumps(pack)) < 2000
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        assert pool.submit(_sums_at, pickle.dumps(pack)).result() == expected


def _sums_at(pickled: bytes) -> list[int]:
    return sums(pickle.loads(pickled))


def test_unreadable_image_is_named_and_the_old_pack_stays(tmp_path: Path) -> None:
    raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    (tmp_path / "raw" / "b.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"b\.png: "):
        pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    assert Pack(tmp_path / "pack").image("b").shape == (5, 7, 3)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["pack", "raw"]


def test_missing_or_edited_image_is_refused(tmp_path: Path) -> None:
    raw_images(tmp_path / "raw", SIZES)
    index = an_index(SIZES)
    index.loc[0, "width"] += 1
    with pytest.raises(InputError, match="is 7 x 5 pixels, 8 x 5 in the index"):
        pack_images(index, tmp_path / "raw", tmp_path / "pack")
    (tmp_path / "raw" / "a.png").unlink()
    with pytest.raises(InputError, match=r"a\.png"):
        pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")


def test_missing_or_truncated_pack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no pack") as error:
        Pack(tmp_path / "pack")
    assert "dvc repro pack" in error.value.remedy
    raw_images(tmp_path / "raw", SIZES)
    pack_images(an_index(SIZES), tmp_path / "raw", tmp_path / "pack")
    whole = (tmp_path / "pack" / "images.bin").read_bytes()
    (tmp_path / "pack" / "images.bin").write_bytes(whole[:-1])
    with pytest.raises(InputError, match="has not the 2521 bytes"):
        Pack(tmp_path / "pack")


def test_digest_changes_with_a_pixel_and_with_an_id(tmp_path: Path) -> None:
    image = np.zeros((2, 2, 1), np.uint8)
    packs = {"a": {"x": image}, "b": {"x": image}, "pixel": {"x": image + 1}, "id": {"y": image}}
    for name, images in packs.items():
        write_pack(tmp_path / name, images.items())
    digests = {name: Pack(tmp_path / name).digest for name in packs}
    assert digests["a"] == digests["b"]
    assert len(set(digests.values())) == 3
