"""Usable images, decoding of every format, and files that hang, crash or deceive a decoder."""

from __future__ import annotations

import ast
import hashlib
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest
from PIL import Image

import ferbench
from ferbench.data import images
from ferbench.data.decoding import FORMATS
from ferbench.data.images import Checked, check_image, check_images, decode, read_header
from ferbench.data.ingest.layout import SUFFIXES

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


def test_first_of_several_frames_is_decoded(tmp_path: Path) -> None:
    frames = [Image.fromarray(GREY[:, :, 0]), Image.fromarray(255 - GREY[:, :, 0])]
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:])
    assert (decode(tmp_path / "a.tif") == GREY).all()


@pytest.mark.parametrize("suffix", [".jpg", ".png"])
def test_decoding_a_truncated_file_is_an_error(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / f"a{suffix}")
    whole = (tmp_path / f"a{suffix}").read_bytes()
    (tmp_path / f"a{suffix}").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="truncated"):
        decode(tmp_path / f"a{suffix}")


def test_text_file_and_absent_file_are_errors(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("<html>not found</html>")
    (tmp_path / "b.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="not an image"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="empty file"):
        decode(tmp_path / "b.jpg")
    with pytest.raises(FileNotFoundError):
        decode(tmp_path / "c.jpg")


def _png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds almost no data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(bytes(10)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + data + chunk(b"IEND", b"")


def test_good_image_is_measured(tmp_path: Path, draw: Callable[..., Path]) -> None:
    path = draw(tmp_path / "a.png", size=(40, 30), mode="RGB")
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    assert check_image(path, 16) == Checked(md5, 40, 30, 3)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1", "CMYK", "I;16"])
def test_every_mode_is_accepted(tmp_path: Path, mode: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    suffix = "tif" if mode == "CMYK" else "png"
    Image.fromarray(noise).convert("L" if mode == "I;16" else mode).convert(mode).save(
        tmp_path / f"a.{suffix}"
    )
    found = check_image(tmp_path / f"a.{suffix}", 16)
    assert isinstance(found, Checked)
    assert found.channels == (1 if mode in ("L", "LA", "1", "I;16") else 3)


def test_animation_is_accepted(tmp_path: Path) -> None:
    frames = [Image.new("L", (20, 20), grey) for grey in (0, 255)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    assert isinstance(check_image(tmp_path / "a.gif", 16), Checked)


@pytest.mark.parametrize("suffix", ["jpg", "png", "bmp", "webp", "tif"])
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_truncated_image_is_unusable(
    tmp_path: Path, draw: Callable[..., Path], suffix: str, part: float
) -> None:
    path = draw(tmp_path / f"a.{suffix}", size=(64, 64), mode="RGB")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * part)])
    assert isinstance(check_image(path, 16), str)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<html>not found</html>", "not an image"),
        (b"\x00" * 500, "not an image"),
        (_png_header(1, 1), "below 16 px"),
        (_png_header(8000, 8000), "more than 50000000"),
        (_png_header(12000, 12000), "more than 50000000"),
        (_png_header(60000, 60000), "more than 50000000"),
        (_png_header(100, 100), "cannot be decoded"),
    ],
)
def test_unusable_file_has_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    found = check_image(tmp_path / "a.png", 16)
    assert isinstance(found, str)
    assert reason in found


def test_absent_file_and_folder_are_unusable(tmp_path: Path) -> None:
    (tmp_path / "b.png").mkdir()
    assert check_image(tmp_path / "a.png", 16) == "absent"
    assert check_image(tmp_path / "b.png", 16) == "absent"


def test_many_processes_return_what_one_returns(tmp_path: Path, draw: Callable[..., Path]) -> None:
    paths = [draw(tmp_path / f"{i}.png", i) for i in range(40)]
    paths[7].write_bytes(b"")
    paths[25].write_bytes(paths[25].read_bytes()[:200])
    alone = check_images(paths, 16, workers=1)
    assert check_images(paths, 16, workers=2) == alone
    assert sum(isinstance(found, str) for found in alone) == 2


def test_ultralytics_plug_in_changes_no_reason(tmp_path: Path) -> None:
    import ultralytics.utils.patches  # noqa: F401  # puts its own opener in the place of Pillow's

    (tmp_path / "a.png").write_bytes(b"<html>not found</html>")
    assert check_image(tmp_path / "a.png", 16) == "not an image of a known format"


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 64 64
%%EndComments
0 0 64 64 rectfill
showpage
%%EOF
"""


def test_postscript_named_as_an_image_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_decoders: None
) -> None:
    script = tmp_path / "bin/gs"
    script.parent.mkdir()
    script.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{script.parent}{os.pathsep}{os.environ['PATH']}")
    (tmp_path / "a.jpg").write_bytes(POSTSCRIPT)
    assert check_image(tmp_path / "a.jpg", 16) == "not an image of a known format"
    with pytest.raises(ValueError, match="not an image of a known format"):
        decode(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="not an image of a known format"):
        read_header(tmp_path / "a.jpg")
    assert not (tmp_path / "ran").exists()


def test_accepted_formats_are_those_of_the_suffixes() -> None:
    Image.init()
    assert {Image.EXTENSION[suffix] for suffix in SUFFIXES} == set(FORMATS)


@pytest.mark.parametrize("kind", ["EPS", "TGA", "PCX", "SGI", "ICO", "DDS", "JPEG2000"])
def test_other_formats_are_refused_whatever_their_name(tmp_path: Path, kind: str) -> None:
    Image.new("RGB", (32, 32), "red").save(tmp_path / "a.jpg", format=kind)
    assert check_image(tmp_path / "a.jpg", 16) == "not an image of a known format"


def test_only_the_decoding_process_opens_images_of_data_sets() -> None:
    openers = {"open": "Image", "imread": "cv2", "imreadmulti": "cv2"}
    found = [
        path.name
        for path in (Path(ferbench.__file__).parent / "data").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and openers.get(node.attr) == node.value.id
    ]
    assert found == ["decoding.py"]


@pytest.fixture
def fresh_decoders() -> Iterator[None]:
    """Decoders that are started by the test, and not kept for others."""
    images._stop_idle()
    yield
    images._stop_idle()


@pytest.fixture
def bad_decoder(monkeypatch: pytest.MonkeyPatch, fresh_decoders: None) -> None:
    """A decoder that loops in C, holding the interpreter's lock, or dies, if the name says so."""
    code = """
        import ctypes, os, re, sys
        from multiprocessing.connection import Connection
        from ferbench.data import decoding

        def bad(work):
            def task(path, min_side_px):
                if "loop" in path.name:
                    re.match("(a|a)*b", "a" * 1000)
                if "crash" in path.name:
                    os.kill(os.getpid(), 11)
                return work(path, min_side_px)
            return task

        decoding._TASKS = {name: bad(work) for name, work in decoding._TASKS.items()}
        decoding.serve(Connection(int(sys.argv[1])))
    """
    monkeypatch.setattr(images, "_COMMAND", (sys.executable, "-P", "-c", dedent(code)))
    # Long enough for a good image on a busy machine: the limit is wall-clock time.
    monkeypatch.setattr(images, "LIMIT_S", 2.0)


@pytest.mark.thorough
@pytest.mark.usefixtures("bad_decoder")
@pytest.mark.parametrize("workers", [1, 2])
def test_file_that_hangs_or_crashes_a_decoder_is_unusable_and_others_are_checked(
    tmp_path: Path, draw: Callable[..., Path], workers: int
) -> None:
    names = ("a", "loop", "b", "crash", "c")
    paths = [draw(tmp_path / f"{name}.png", i) for i, name in enumerate(names)]
    found = dict(zip(names, check_images(paths, 16, workers), strict=True))
    assert found["loop"] == "not decoded within 2 s"
    assert found["crash"] == "crashes the decoder (SIGSEGV)"
    for name in "abc":
        assert found[name] == Checked(md5_of(tmp_path / f"{name}.png"), 48, 48, 1)


def md5_of(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


@pytest.mark.thorough
@pytest.mark.usefixtures("bad_decoder")
def test_file_that_hangs_does_not_block_other_threads(
    tmp_path: Path, draw: Callable[..., Path]
) -> None:
    draw(tmp_path / "loop.png")
    expected = [np.asarray(Image.open(draw(tmp_path / f"{i}.png", i))) for i in range(8)]

    def read(name: str) -> object:
        try:
            return decode(tmp_path / f"{name}.png")
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor(4) as pool:
        hung, *good = pool.map(read, ["loop", *map(str, range(8))])
    assert "loop.png: not decoded within 2 s" in str(hung)
    for pixels, known in zip(good, expected, strict=True):
        assert np.array_equal(np.squeeze(pixels), known)


def test_decoder_that_does_not_start_is_an_error_and_not_an_unusable_image(
    tmp_path: Path,
    draw: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    fresh_decoders: None,
) -> None:
    monkeypatch.setattr(images, "_COMMAND", (sys.executable, "-c", "raise SystemExit(3)"))
    with pytest.raises(RuntimeError, match="does not start"):
        check_image(draw(tmp_path / "a.png"), 16)


def test_special_file_is_unusable_and_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert check_image(tmp_path / "a.png", 16) == "not a regular file"
    assert check_image(tmp_path / ("a" * 300 + ".png"), 16) != "absent"


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.linspace(0, 1, 400, dtype=np.float32), "floating-point"),
        (np.linspace(0, 255, 400, dtype=np.float32), "floating-point"),
        (np.linspace(0, 70000, 400, dtype=np.int32), "from 0 to 70000, outside of 16 bits"),
        (np.linspace(-5, 5, 400, dtype=np.int32), "from -5 to 5, outside of 16 bits"),
    ],
)
def test_pixels_of_unknown_range_are_refused(
    tmp_path: Path, pixels: np.ndarray, reason: str
) -> None:
    Image.fromarray(pixels.reshape(20, 20)).save(tmp_path / "a.tif")
    found = check_image(tmp_path / "a.tif", 16)
    assert isinstance(found, str)
    assert reason in found
    with pytest.raises(ValueError, match=reason):
        decode(tmp_path / "a.tif")


def test_relative_path_is_decoded_after_a_change_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("one", 10), ("two", 200)):
        (tmp_path / name).mkdir()
        Image.new("L", (8, 8), value).save(tmp_path / name / "face.png")
    for name, value in (("one", 10), ("two", 200)):
        monkeypatch.chdir(tmp_path / name)
        assert (decode(Path("face.png")) == value).all()
