"""What a file's pixels are, format by format; files are made from arrays that must come back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ferbench.data.images import decode

COLOUR = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = COLOUR[:, :, :1]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_colour_comes_back_red_first(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(COLOUR).save(tmp_path / f"a{suffix}")
    assert (decode(tmp_path / f"a{suffix}") == COLOUR).all()


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".pgm", ".gif"])
def test_grey_stays_one_channel(tmp_path: Path, suffix: str) -> None:
    Image.fromarray(GREY[:, :, 0]).save(tmp_path / f"a{suffix}")
    got = decode(tmp_path / f"a{suffix}")
    assert got.shape == (6, 9, 1)
    assert (got == GREY).all()


def test_sixteen_bits_are_scaled_to_eight(tmp_path: Path) -> None:
    Image.fromarray(GREY[:, :, 0].astype(np.uint16) * 257).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png") == GREY).all()


def test_transparent_pixels_are_white(tmp_path: Path) -> None:
    alpha = np.full((6, 9, 1), 255, np.uint8)
    alpha[0] = 0
    Image.fromarray(np.concatenate([COLOUR, alpha], axis=2)).save(tmp_path / "a.png")
    Image.fromarray(np.concatenate([GREY, alpha], axis=2)).save(tmp_path / "b.png")
    for name, original in (("a.png", COLOUR), ("b.png", GREY)):
        got = decode(tmp_path / name)
        assert (got[0] == 255).all()
        assert (got[1:] == original[1:]).all()
        assert got.shape == original.shape


def test_palette_and_black_and_white_become_colour_and_grey(tmp_path: Path) -> None:
    flat = Image.fromarray(np.full((4, 4, 3), (200, 30, 10), np.uint8))
    flat.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    Image.fromarray(np.eye(4, dtype=bool)).save(tmp_path / "b.png")
    assert (decode(tmp_path / "a.png") == (200, 30, 10)).all()
    assert (decode(tmp_path / "b.png")[:, :, 0] == np.eye(4) * 255).all()


def test_orientation_tag_is_not_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # "rotate by 90 degrees"
    Image.fromarray(COLOUR).save(tmp_path / "a.jpg", exif=exif, quality=100, subsampling=0)
    assert decode(tmp_path / "a.jpg").shape == COLOUR.shape


def test_first_of_several_frames_is_taken(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY[:, :, 0]), Image.fromarray(255 - GREY[:, :, 0])]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    assert (decode(tmp_path / "a.tif") == GREY).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_truncated_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a{suffix}")
    whole = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="truncated"):
        decode(tmp_path / f"a{suffix}")


def test_no_image_and_nothing_at_all_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("<html>not found</html>")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="not an image"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="empty file"):
        decode(tmp_path / "b.jpg")
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "c.jpg")
