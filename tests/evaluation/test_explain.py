"""Maps and galleries of stage `explain`, on networks whose maps can be computed by hand."""

from __future__ import annotations

import dataclasses
import filecmp
import sys
from pathlib import Path
from typing import Any

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from tests.example_study import PROJECT
from tests.tiny_study import CLASSES
from torch import Tensor, nn

from ferbench.artifacts.predictions import FACE_KEY, write_predictions
from ferbench.config.params import Explain, Params
from ferbench.config.runs import Run
from ferbench.data.dataset import PackedDataset
from ferbench.errors import InputError
from ferbench.evaluation.explain import (
    View,
    explain,
    explain_folder,
    explain_from_words,
    open_view,
    predicted_faces,
    score_of,
    spread,
)
from ferbench.evaluation.explanations.attention_maps import attention_maps
from ferbench.evaluation.explanations.errors import errors
from ferbench.evaluation.explanations.gradients import grad_cam, saliency
from ferbench.evaluation.gallery import Gallery, overlay, scaled
from ferbench.evaluation.predict import predict_split
from ferbench.files import read_json
from ferbench.models.build import build_network
from ferbench.models.weights import Trained, save_trained
from ferbench.plugins import load, names

METHODS = names("ferbench.evaluation.explanations")
RUN = Run("demo", "some_variant", "tiny", 0)
PX = 16  # the classifiers' input
TABLE = pd.DataFrame(
    [
        *(("a3", "neutral", "neutral"), ("a1", "neutral", "neutral"), ("a2", "neutral", "neutral")),
        *(("b1", "happiness", "neutral"), ("b2", "happiness", "happiness")),
        *(("b3", "happiness", "surprise"), ("c1", "surprise", "neutral")),
    ],
    columns=["image_id", "true", "predicted"],
).sort_values("image_id")


def predictions_of(data: PackedDataset, prob: NDArray[np.float64]) -> pd.DataFrame:
    """A predictions table of the test faces in their order."""
    frame = data.faces("test").frame
    head = frame[FACE_KEY].assign(target=[CLASSES[c] for c in frame["cls"]])
    return pd.concat([head, pd.DataFrame(prob, columns=list(CLASSES))], axis=1)


def random_prob(faces: int) -> NDArray[np.float64]:
    return np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), faces)


def trained_as(params: Params, variant: str, network: nn.Module | None = None) -> Trained:
    """Random weights of a row, or another network in the row's place."""
    row, recipe = params.variants[variant], params.recipe_of(variant)
    if network is None:
        network = build_network(row, recipe, len(CLASSES), seed=0)
    return Trained(network.eval(), row, recipe, CLASSES)


def view_of(
    params: Params, data: PackedDataset, variant: str, network: nn.Module | None = None
) -> View:
    predictions = predictions_of(data, random_prob(len(data.faces("test").frame)))
    return open_view(trained_as(params, variant, network), data, predictions, 4, "cpu")


def with_attention(params: Params, variant: str, attention: str, **options: Any) -> Params:
    row = dataclasses.replace(
        params.variants[variant], attention=attention, options={"attention": options}
    )
    return dataclasses.replace(params, variants={**params.variants, variant: row})


class Linear(nn.Module):
    """Logits that are weighted sums of the pixels."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(len(CLASSES), 1, PX, PX, generator=generator))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("kchw,nchw->nk", self.weight, x)

    def cam_layers(self) -> list[nn.Module]:
        return []


class Quadrant(nn.Module):
    """Every logit is the mean of the lower right quadrant of a map, which is the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.pool = nn.AvgPool2d(2)
        nn.init.ones_(self.conv.weight)
        with torch.no_grad():
            self.conv.bias.copy_(torch.tensor([0.0, 1.0]))  # type: ignore[union-attr]

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        mask = torch.zeros_like(x)
        mask[:, :, PX // 2 :, PX // 2 :] = 1
        whole = self.pool(x * mask).mean(dim=(1, 2, 3))
        return torch.stack([whole] * len(CLASSES), dim=1)

    def cam_layers(self) -> list[nn.Module]:
        return [self.conv]


def shown(found: Gallery | str) -> Gallery:
    assert isinstance(found, Gallery)
    return found


def test_saliency_of_a_linear_network_is_its_weight(params: Params, stored: PackedDataset) -> None:
    network = Linear()
    found = shown(saliency(view_of(params, stored, "vgg_improved", network)))
    assert len(found.faces) == 4
    for face, (values,) in zip(found.faces, found.maps, strict=True):
        weight = network.weight[face.cls, 0].detach().abs().numpy().astype(float)
        cut = np.minimum(weight, np.percentile(weight, 99))
        expected = (cut - cut.min()) / (cut.max() - cut.min())
        assert np.allclose(values, expected, atol=1e-6)


def test_grad_cam_finds_the_map_before_pooling_and_follows_the_paper(
    params: Params, stored: PackedDataset
) -> None:
    found = shown(grad_cam(view_of(params, stored, "vgg_improved", Quadrant())))
    assert f"{PX}×{PX} positions" in found.caption
    for face, (values,) in zip(found.faces, found.maps, strict=True):
        picture = face.image[0].numpy() / 255.0
        # Both channels have the same mean gradient, so the weighted sum is 2 * picture + 1.
        assert np.allclose(values, scaled(2 * picture + 1), atol=1e-5)


class Corner(Quadrant):
    """Of two channels, the one that is bright in a corner alone decides."""

    def forward(self, x: Tensor) -> Tensor:
        corner = torch.zeros(1, 2, PX, PX)
        corner[:, 0, PX // 2 :, PX // 2 :], corner[:, 1, : PX // 2, : PX // 2] = 5, 5
        x = self.pool(self.conv(x) * 0 + corner)
        marked = self.mark(x)
        one = marked[:, 0].mean(dim=(1, 2))
        return torch.stack([one] * len(CLASSES), dim=1)

    def __init__(self) -> None:
        super().__init__()
        self.mark = nn.ReLU()

    def cam_layers(self) -> list[nn.Module]:
        return [self.mark]


def test_grad_cam_highlights_the_quadrant_that_decides(
    params: Params, stored: PackedDataset
) -> None:
    found = shown(grad_cam(view_of(params, stored, "vgg_improved", Corner())))
    for (values,) in found.maps:
        half = PX // 2
        assert values[half + 1 :, half + 1 :].min() > 0.9
        assert values[: half - 1].max() < 0.1
        assert values[:, : half - 1].max() < 0.1


@pytest.mark.parametrize("variant", ["ivsa", "yolov5s_osam"])
@pytest.mark.parametrize("method", METHODS)
def test_maps_are_finite_of_the_inputs_size_and_between_0_and_1(
    params: Params, stored: PackedDataset, variant: str, method: str
) -> None:
    view = view_of(params, stored, variant)
    found = load("ferbench.evaluation.explanations", method)(view)
    if isinstance(found, str):
        assert not found.endswith(".")
        return
    assert found.faces
    for face, maps in zip(found.faces, found.maps or [()] * len(found.faces), strict=True):
        assert len(maps) == len(found.heads) or not found.heads
        for values in maps:
            assert values.shape == tuple(face.image.shape[1:])
            assert np.isfinite(values).all()
            assert values.min() >= 0
            assert values.max() <= 1


# A head of the library, one of our own, and a classifier; contracts cover every backbone.
CATALOGUE = ["yolov10n", "yolov6s", "inception"]


@pytest.mark.thorough
@pytest.mark.parametrize("variant", CATALOGUE)
def test_maps_are_found_in_networks_of_every_kind(stored: PackedDataset, variant: str) -> None:
    from ferbench.config.params import load_params

    params = load_params(PROJECT / "studies" / "all_rows.yaml")
    view = dataclasses.replace(view_of(params, stored, variant), images=1)
    px = params.recipe_of(variant).input_px
    for method in (saliency, grad_cam):
        ((values,),) = shown(method(view)).maps
        assert values.shape == (px, px)
        assert np.isfinite(values).all()


def test_released_orderly_attention_is_reported_as_1_everywhere(
    params: Params, stored: PackedDataset
) -> None:
    released = with_attention(params, "yolov5s_osam", "osam", norm="channel", form="released")
    found = shown(attention_maps(view_of(released, stored, "yolov5s_osam")))
    assert found.caption.count("is 1 everywhere") == len(found.heads) == 3
    assert not any(values.any() for maps in found.maps for values in maps)


def test_attention_is_described_by_its_own_weights(params: Params, stored: PackedDataset) -> None:
    view = view_of(params, stored, "ivsa")
    found = shown(attention_maps(view))
    assert "everywhere" not in found.caption.split("Weights")[1]
    body: Any = view.trained.network
    first = next(m for m in body.modules() if type(m).__name__ == "SAB")
    seen: list[Tensor] = []
    first.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    weights = []
    with torch.no_grad():
        for face in found.faces:
            body(view.input(face))
            x = seen[-1]
            channel = first.channel_weights(x) * first.channel_scale()
            y = x * channel[:, :, None, None]
            maps = torch.stack((y.mean(dim=1), y.amax(dim=1)), dim=1)
            weights.append(channel[:, :, None, None] * first.spatial(maps))
    every = torch.cat(weights)
    predictions = (
        f"{float(every.min()):.3g} to {float(every.max()):.3g}, mean {float(every.mean()):.3g}"
    )
    assert predictions in found.caption


def test_variant_without_attention_has_no_attention_maps(
    params: Params, stored: PackedDataset
) -> None:
    assert attention_maps(view_of(params, stored, "vgg_improved")) == "the variant has no attention"


def test_errors_are_the_most_confident_wrong_predictions_worst_first(
    params: Params, stored: PackedDataset
) -> None:
    view = view_of(params, stored, "vgg_improved")
    frame = stored.faces("test").frame
    prob = random_prob(len(frame))
    wrong = [
        (max(p), image)
        for p, image, cls in zip(prob, frame["image_id"], frame["cls"], strict=True)
        if np.argmax(p) != cls
    ]
    expected = [image for _, image in sorted(wrong, reverse=True)]
    assert 1 < len(expected) < 5
    found = shown(errors(dataclasses.replace(view, images=len(expected) - 1)))
    assert [face.image_id for face in found.faces] == expected[:-1]
    assert [face.prob for face in found.faces] == [p for p, _ in sorted(wrong, reverse=True)][:-1]


def test_errors_are_skipped_where_all_predictions_are_correct(
    params: Params, stored: PackedDataset
) -> None:
    perfect = predictions_of(stored, np.eye(len(CLASSES))[stored.faces("test").frame["cls"]])
    view = open_view(trained_as(params, "vgg_improved"), stored, perfect, 4, "cpu")
    assert errors(view) == "no test face was predicted wrongly"


def test_faces_are_spread_over_classes_and_over_correct_and_wrong() -> None:
    words = ("neutral", "happiness", "surprise")
    assert spread(TABLE, words, 5)["image_id"].tolist() == ["a1", "a2", "b2", "b1", "c1"]
    assert spread(TABLE, words, 6)["image_id"].tolist() == ["a1", "a2", "a3", "b2", "b1", "c1"]
    assert spread(TABLE, words, 99)["image_id"].tolist() == [
        "a1",
        "a2",
        "a3",
        "b2",
        "b1",
        "b3",
        "c1",
    ]


def test_missed_face_is_not_explained(stored: PackedDataset) -> None:
    prob = random_prob(len(stored.faces("test").frame))
    prob[0] = 0
    faces = stored.faces("test")
    table = predicted_faces(predictions_of(stored, prob), faces)
    assert table["image_id"].tolist() == faces.frame["image_id"].tolist()[1:]
    assert table["row"].tolist() == list(range(1, len(prob)))


def test_score_of_a_detector_is_that_of_the_faces_box(
    params: Params, scenes: PackedDataset
) -> None:
    trained = trained_as(params, "yolov5s")
    predictions = predict_split(trained, scenes, "test", "cpu").predictions
    view = open_view(trained_as(params, "yolov5s"), scenes, predictions, 6, "cpu")
    assert len(view.table)
    for face in view.chosen():
        scored = score_of(view, face)
        with torch.no_grad():
            decoded = view.trained.network(view.input(face))[0][0, 4:]
        scores = decoded[:, scored.place]
        assert float(scores[face.cls] / scores.sum()) == pytest.approx(face.prob, abs=1e-5)
        logit = float(torch.logit(scores[face.cls]))
        assert float(scored(view.input(face)).detach()) == pytest.approx(logit, abs=1e-4)


def test_explained_face_is_outlined_among_several(params: Params, scenes: PackedDataset) -> None:
    view = view_of(params, scenes, "yolov5s")
    rows = view.table.set_index(FACE_KEY, drop=False).loc[[("scene_6", 0), ("scene_7", 1)]]
    (one, two) = view.shown(rows)
    assert (two.image_id, two.face) == ("scene_7", 1)
    assert one.outline is None
    # 48 x 48 pixels become 32 x 32 without padding; the box is (0.75, 0.4, 0.2, 0.5).
    assert two.outline == pytest.approx((0.65 * 32, 0.15 * 32, 0.85 * 32, 0.65 * 32), abs=1e-3)


def test_predictions_of_other_faces_are_refused(params: Params, stored: PackedDataset) -> None:
    predictions = predictions_of(stored, random_prob(len(stored.faces("test").frame))).iloc[1:]
    with pytest.raises(InputError, match="not of this network"):
        open_view(trained_as(params, "vgg_improved"), stored, predictions, 4, "cpu")


def test_unknown_method_is_refused_before_anything_is_drawn(
    params: Params, stored: PackedDataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="unknown part"):
        explain(view_of(params, stored, "ivsa"), ["errors", "tea_leaves"], RUN, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.thorough
@pytest.mark.parametrize("variant", ["ivsa", "yolov5s"])
def test_figures_and_index_are_complete_and_reproducible_to_the_byte(
    params: Params, stored: PackedDataset, tmp_path: Path, variant: str
) -> None:
    for name in ("first", "again"):
        (tmp_path / name).mkdir()
        view = dataclasses.replace(view_of(params, stored, variant), images=2)
        explain(view, METHODS, RUN, tmp_path / name)
    index = read_json(tmp_path / "first" / "index.json")
    files = [figure["file"] for figure in index["figures"]]
    assert {path.name for path in (tmp_path / "first").iterdir()} == {"index.json", *files}
    same = filecmp.cmpfiles(
        tmp_path / "first", tmp_path / "again", ["index.json", *files], shallow=False
    )
    assert same == (["index.json", *files], [], [])
    assert {k: index[k] for k in ("variant", "dataset", "seed")} == {
        **{"variant": "some_variant", "dataset": "tiny"},
        "seed": 0,
    }
    done = [figure["method"] for figure in index["figures"]]
    assert sorted([*done, *index["skipped"]]) == METHODS
    images = set(stored.faces("test").frame["image_id"])
    for figure in index["figures"]:
        assert set(figure) == {"method", "title", "file", "caption", "faces"}
        assert {face["image_id"] for face in figure["faces"]} <= images
        wanted = f"n = {len(figure['faces'])} test face"
        assert all(word in figure["caption"] for word in (wanted, "some_variant", "seed 0"))
        path = tmp_path / "first" / figure["file"]
        assert path.stat().st_size < 300_000
        assert matplotlib.image.imread(path)[:, :, :3].std() > 0.01


def test_stage_writes_the_figures_of_its_row_variant_and_data_set(
    params: Params, stored: PackedDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import runpy

    how = {"maps": Explain(("saliency", "attention_maps"), 3)}
    datasets = {"tiny": params.datasets["synthetic"]}
    study = dataclasses.replace(params, explain=how, datasets=datasets)
    trained = trained_as(study, "vgg_improved")
    predictions = predict_split(trained, stored, "test", "cpu").predictions
    name, run = explain_from_words(study, ["maps", "vgg_improved", "tiny"])
    assert (name, run.seed) == ("maps", study.seeds[0])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(stored.pack.parents[1])
    state = trained.network.state_dict()
    save_trained(run.folder / "model.pt", state, trained.variant, trained.recipe, CLASSES)
    write_predictions(run.folder / "predictions.parquet", predictions)
    monkeypatch.setattr("ferbench.config.params.load_params", lambda: study)
    monkeypatch.setattr(sys, "argv", ["explain.py", "maps", "vgg_improved", "tiny"])
    script: Any = runpy.run_path(str(PROJECT / "pipeline" / "explain.py"))
    script["main"]()
    index = read_json(explain_folder(name, run) / "index.json")
    assert [figure["method"] for figure in index["figures"]] == ["saliency"]
    assert index["skipped"] == {"attention_maps": "the variant has no attention"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["maps", "vgg_improved"], "expected an explanation"),
        (["guesses", "vgg_improved", "synthetic"], "unknown explanation"),
        (["maps", "nothing", "synthetic"], "unknown variant"),
    ],
)
def test_wrong_command_line_words_are_refused(
    params: Params, words: list[str], message: str
) -> None:
    study = dataclasses.replace(params, explain={"maps": Explain(("errors",), 3)})
    with pytest.raises(InputError, match=message):
        explain_from_words(study, words)


def test_nearly_equal_values_are_scaled_to_zeros() -> None:
    noise = 1 + 1e-7 * np.random.default_rng(0).random((4, 4))
    assert not scaled(noise).any()
    assert scaled(np.array([[-1.0, 0.0, 3.0]])).tolist() == [[0.0, 0.25, 1.0]]


def test_map_of_zeros_leaves_the_picture_in_grey() -> None:
    image = np.random.default_rng(0).random((4, 4, 3))
    grey = overlay(image, np.zeros((4, 4)))
    assert np.allclose(grey, image.mean(axis=2)[:, :, None])
    bright = overlay(np.zeros((1, 1, 3)), np.ones((1, 1)))[0, 0]
    assert np.allclose(bright, 0.85 * np.array([0.988362, 0.998364, 0.644924]), atol=1e-6)
