"""Ten crops of a face, in training and in prediction."""

from __future__ import annotations

import dataclasses

import albumentations as A
import numpy as np
import pytest
import torch

from ferbench.config.params import Params, Recipe
from ferbench.data.dataset import PackedDataset
from ferbench.data.loaders import FaceDataset
from ferbench.data.transforms import ten_crops
from ferbench.errors import InputError
from ferbench.models.build import logits_of


@pytest.fixture
def recipe(params: Params) -> Recipe:
    return dataclasses.replace(
        params.recipes["p1"], augment="p1", input_px=20, resize_px=24, crops=10
    )


def test_ten_crops_are_corners_middle_and_mirror() -> None:
    image = np.arange(36, dtype=np.uint8).reshape(6, 6, 1)
    views = ten_crops(image, 4)
    assert [int(view[0, 0, 0]) for view in views] == [0, 2, 12, 14, 7, 5, 3, 17, 15, 10]
    assert all(view.shape == (4, 4, 1) for view in views)
    for plain, mirrored in zip(views[:5], ten_crops(image[:, ::-1], 4)[5:], strict=True):
        assert np.array_equal(plain, mirrored)


def test_torchvision_cuts_the_same_ten(recipe: Recipe) -> None:
    from torchvision.transforms import functional

    image = np.random.default_rng(0).integers(0, 255, (24, 24, 1), dtype=np.uint8)
    theirs = functional.ten_crop(torch.from_numpy(image).permute(2, 0, 1), [20, 20])
    ours = [torch.from_numpy(view).permute(2, 0, 1) for view in ten_crops(image, 20)]
    # Both list corners and middle of the picture, then of its mirror image.
    assert all(torch.equal(a, b) for a, b in zip(theirs, ours, strict=True))


def test_each_face_is_all_ten_crops_in_training(stored: PackedDataset, recipe: Recipe) -> None:
    faces = FaceDataset(stored.pack, stored.side("train"), recipe, 3)
    image, target, index = faces[0, 2]
    assert image.shape == (10, 1, 20, 20)
    assert (target, index) == (faces.targets[2], 2)
    assert torch.equal(image, faces[0, 2][0])
    assert not torch.equal(image[0], image[4])  # different crops of one face
    assert not torch.equal(image, faces[1, 2][0])  # another epoch


def test_ten_crops_share_what_comes_before_the_crop_and_are_erased_one_by_one(
    stored: PackedDataset, recipe: Recipe
) -> None:
    faces = FaceDataset(stored.pack, stored.side("train"), recipe, 3)
    plain = FaceDataset(stored.pack, stored.side("train"), recipe, 3)
    plain.after_crop = A.Compose([])
    erased = []
    for index in range(12):
        crops, whole = faces[0, index][0], plain[0, index][0]
        # Without erasing, crop 2 of the image mirrors crop 1 of its mirror image.
        assert torch.equal(whole[1].flip(-1), whole[5])
        erased.append([not torch.equal(a, b) for a, b in zip(crops, whole, strict=True)])
    share = np.mean(erased)
    assert 0.3 < share < 0.7
    assert any(len(set(row)) == 2 for row in erased)


def test_a_plain_sample_is_all_ten(stored: PackedDataset, recipe: Recipe) -> None:
    faces = FaceDataset(stored.pack, stored.side("val"), recipe, 3)
    image, _, index = faces[-1, 1]
    assert image.shape == (10, 1, 20, 20)
    assert index == 1


def test_an_augmentation_without_a_crop_is_refused(stored: PackedDataset, recipe: Recipe) -> None:
    with pytest.raises(InputError, match="crops: 1"):
        FaceDataset(stored.pack, stored.side("val"), dataclasses.replace(recipe, augment="p0"), 3)


def test_logits_are_averaged_over_crops() -> None:
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(12, 3))
    crops = torch.rand(2, 10, 3, 2, 2)
    mean = torch.stack([network(crops[:, k]) for k in range(10)]).mean(dim=0)
    torch.testing.assert_close(logits_of(network, crops), mean)
