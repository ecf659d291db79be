"""Sizes, places of gates and one step of training of every detector of P0's tables.

Counts and costs were measured once on independent builds of the same networks.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ferbench.errors import InputError
from ferbench.models.blocks import ConvUnit
from ferbench.models.deploy import deployed, gflops
from ferbench.models.graph import LibraryGraph
from ferbench.models.losses.yolo import YOLOLoss
from ferbench.plugins import load, module_of

OWN = ConvUnit(None)
LIBRARY = {  # parameters at 7 classes
    "yolov3-tiny": 12_135_726,
    "yolov5n": 2_509_829,
    "yolov5s": 9_124_901,
    "yolov6n": 4_238_837,
    "yolov6s": 16_307_205,
    "yolov8n": 3_012_213,
    "yolov8s": 11_138_309,
    "yolov9t": 2_006_773,
    "yolov9s": 7_290_117,
    "yolov10n": 2_709_770,
    "yolov10s": 8_071_770,
    "yolo11n": 2_591_205,
    "yolo11s": 9_430_501,
    "yolo12n": 2_569_413,
    "yolo12s": 9_255_845,
}
# backbone, attention, location, options of the backbone
DETECTORS: list[tuple[str, str, str, dict[str, Any]]] = [
    ("yolov5s", "none", "none", {}),
    ("yolov5s", "osam", "branches", {}),
    ("yolov5s", "osam", "branches", {"inline": True}),
    ("yolov5s4h", "none", "none", {}),
    ("yolov5s4h", "osam", "branches", {}),
    ("yolov5s4h", "osam", "neck", {}),
    ("yolov5s4h", "osam", "branches", {"p2_fusion": "topdown"}),
    ("cspd53", "osam", "outputs", {}),
    ("cspd53", "osam", "embedding", {}),
    ("cspd53", "osam", "last", {}),
    ("yolov7t", "none", "none", {}),
    ("yolov7t", "cbam", "neck", {}),
    *[("yolo", "none", "none", {"model": model}) for model in LIBRARY if not model.endswith("s")],
    ("yolo", "sam", "neck", {"model": "yolov8n"}),
    ("yolo", "sam", "neck", {"model": "yolov10n"}),
]


def body(backbone: str, attention: str = "none", location: str = "none", **options: Any) -> Any:
    """What a row's backbone gives, on colour images."""
    gate = load("ferbench.models.attention", attention)
    return load("ferbench.models.backbones", backbone)(gate, location, OWN, 3, **options)


def detector(
    backbone: str, attention: str = "none", location: str = "none", classes: int = 7, **options: Any
) -> Any:
    """The network of a row."""
    return body(backbone, attention, location, **options).build(classes)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def gates(network: Any, attention: str) -> list[tuple[int, int]]:
    """Number and source of each gate."""
    kind = load("ferbench.models.attention", attention)
    return [(m.i, m.f) for m in network.model if isinstance(m, kind)]


def batch_of(image: Tensor) -> dict[str, Tensor]:
    """Two pictures with one face each: the whole picture, and a small face."""
    return {
        "img": image,
        "batch_idx": torch.tensor([0.0, 1.0]),
        "cls": torch.tensor([[1.0], [2.0]]),
        "bboxes": torch.tensor([[0.5, 0.5, 1.0, 1.0], [0.3, 0.3, 0.2, 0.2]]),
    }


@pytest.mark.parametrize(
    ("backbone", "attention", "location", "expected"),
    [
        ("yolov5s", "none", "none", 9_124_901),
        ("yolov5s", "sam", "branches", 9_125_201),
        ("yolov5s", "osam", "branches", 9_125_159),
        ("yolov5s", "cbamo", "branches", 9_169_119),
        ("yolov5s", "cbam", "branches", 9_169_161),
        ("yolov5s4h", "none", "none", 8_469_228),
        ("yolov5s4h", "sam", "branches", 8_469_628),
        ("yolov5s4h", "osam", "branches", 8_469_572),
        ("yolov5s4h", "osam", "neck", 8_469_572),
        ("yolov5s4h", "cbamo", "branches", 8_514_112),
        ("yolov5s4h", "cbam", "branches", 8_514_168),
        ("cspd53", "none", "none", 6_290_213),
        ("cspd53", "sam", "outputs", 6_290_513),
        ("cspd53", "osam", "outputs", 6_290_471),
        ("cspd53", "cbamo", "outputs", 6_334_431),
        ("cspd53", "cbam", "outputs", 6_334_473),
        ("cspd53", "osam", "embedding", 6_290_557),
        ("cspd53", "osam", "last", 6_290_299),
        ("yolov7t", "none", "none", 8_116_613),
    ],
)
def test_the_papers_rows_have_their_parameters(
    backbone: str, attention: str, location: str, expected: int
) -> None:
    assert parameters(detector(backbone, attention, location)) == expected


@pytest.mark.parametrize(("classes", "expected"), [(8, 8_469_832), (11, 8_470_612)])
def test_more_classes_widen_the_four_heads(classes: int, expected: int) -> None:
    assert parameters(detector("yolov5s4h", "osam", "branches", classes)) == expected


@pytest.mark.thorough
@pytest.mark.parametrize("model", LIBRARY)
def test_the_librarys_models_have_their_parameters(model: str) -> None:
    assert parameters(detector("yolo", model=model)) == LIBRARY[model]


def test_the_whole_yolov3_has_its_parameters() -> None:
    assert parameters(detector("yolo", model="yolov3")) == 103_697_861


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("yolov3-tiny", 12_137_782),
        ("yolov5s", 9_126_449),
        ("yolov8s", 11_139_857),
        ("yolov9s", 7_291_665),
        ("yolov10s", 8_074_866),
        ("yolo11s", 9_432_049),
        ("yolo12s", 9_257_393),
    ],
)
def test_the_librarys_models_have_their_parameters_at_eleven_classes(
    model: str, expected: int
) -> None:
    assert parameters(detector("yolo", model=model, classes=11)) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [("yolov9s", 7_169_797), ("yolov10s", 7_220_709), ("yolov10n", 2_266_533)],
)
def test_deployed_networks_lose_the_branches_of_training(model: str, expected: int) -> None:
    assert parameters(deployed(detector("yolo", model=model))) == expected


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("backbone", "options", "expected"),
    [
        ("yolov5s", {}, 23.84),
        ("yolov5s4h", {}, 30.20),
        ("yolov5s4h", {"p2_fusion": "topdown"}, 29.37),
        ("cspd53", {}, 18.49),
        ("yolov7t", {}, 21.11),
        ("yolo", {"model": "yolov3-tiny"}, 18.93),
        ("yolo", {"model": "yolov8n"}, 8.09),
        ("yolo", {"model": "yolov8s"}, 28.45),
        ("yolo", {"model": "yolov9s"}, 26.74),
        ("yolo", {"model": "yolov10s"}, 21.42),
        ("yolo", {"model": "yolo11s"}, 21.31),
        ("yolo", {"model": "yolo12s"}, 21.22),
    ],
)
def test_gflops_of_the_deployed_network_at_640_px(
    backbone: str, options: dict[str, Any], expected: float
) -> None:
    # Every layer that counts costs in proportion to the picture's area: 64 px are a hundredth.
    network = deployed(detector(backbone, **options))
    assert round(100 * gflops(network, 3, 64), 2) == expected


@pytest.mark.thorough
def test_gflops_of_the_four_headed_detector_at_each_size() -> None:
    network = detector("yolov5s4h", "osam", "branches").eval()
    stride = network.stride
    with torch.device("meta"):  # counted, not computed
        network.to("meta").model[-1].stride = stride  # whose values are read
        costs = [gflops(network, 3, px) for px in (640, 128, 64)]
    assert [round(cost, 3) for cost in costs[1:]] == [1.208, 0.302]
    assert round(costs[0], 2) == 30.21


def test_the_fusion_from_above_has_its_own_size() -> None:
    network = detector("yolov5s4h", p2_fusion="topdown")
    assert parameters(network) == 8_458_732
    assert network.stride.tolist() == [4, 8, 16, 32]


def test_yolov7_tiny_has_the_official_size_with_the_official_head() -> None:
    network = detector("yolov7t")
    trunk = parameters(network) - parameters(network.model[-1])
    assert trunk == 5_997_856
    # Three anchors a place, each with a box, a score and 80 classes, by a 1x1 convolution: 6.2 M.
    assert trunk + (128 + 256 + 512 + 3) * 3 * (80 + 5) == 6_227_101


@pytest.mark.parametrize("location", ["none", "branches", "neck"])
def test_four_heads_stand_at_four_strides(location: str) -> None:
    assert detector("yolov5s4h", "osam", location).stride.tolist() == [4, 8, 16, 32]


@pytest.mark.parametrize(
    ("backbone", "location", "expected"),
    [
        ("yolov5s", "branches", [(5, 4), (8, 7), (12, 11)]),
        ("yolov5s4h", "branches", [(3, 2), (6, 5), (9, 8), (13, 12)]),
        ("yolov5s4h", "neck", [(28, 27), (29, 17), (30, 20), (31, 23)]),
        ("cspd53", "outputs", [(5, 4), (8, 7), (12, 11)]),
        ("cspd53", "embedding", [(3, 2), (6, 5), (9, 8), (12, 11)]),
        ("cspd53", "last", [(10, 9)]),
    ],
)
def test_gates_are_at_the_rows_of_the_papers_tables(
    backbone: str, location: str, expected: list[tuple[int, int]]
) -> None:
    assert gates(detector(backbone, "osam", location), "osam") == expected


def test_inline_backbone_reads_the_gated_p4() -> None:
    assert detector("yolov5s", "osam", "branches").model[9].f == 7
    assert detector("yolov5s", "osam", "branches", inline=True).model[9].f == -1


def test_path_down_reads_ungated_maps_with_gates_in_the_neck() -> None:
    network = detector("yolov5s4h", "osam", "neck")
    behind = {source for m in network.model[:28] for source in _sources(m.f)}
    assert not behind & {28, 29, 30, 31}
    assert network.model[-1].f == [28, 29, 30, 31]


def test_backbone_without_neck_reads_its_gated_maps() -> None:
    network = detector("cspd53", "osam", "outputs")
    readers = [m.f for m in network.model[6:10:3]]
    assert readers == [-1, -1]
    assert network.model[-1].f == [5, 8, 12]


def test_gates_in_the_neck_get_the_channels_of_the_levels() -> None:
    network = detector("yolo", "osam", "neck", model="yolov8s")
    found = [m.channels for m in network.model if m.type == "OSAM"]
    assert found == [128, 256, 512]


@pytest.mark.thorough
@pytest.mark.parametrize(("backbone", "attention", "location", "options"), DETECTORS)
def test_a_step_of_training_reaches_every_parameter(
    backbone: str, attention: str, location: str, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    network = detector(backbone, attention, location, **options).train()
    image = torch.rand(2, 3, 64, 64)
    loss = YOLOLoss(network)(network(image), batch_of(image))
    loss.backward()
    assert torch.isfinite(loss)
    learned = {n: p.grad for n, p in network.named_parameters() if ".dfl." not in n}
    assert [n for n, grad in learned.items() if grad is None or not grad.isfinite().all()] == []


def test_every_layer_of_the_neck_placement_learns() -> None:
    torch.manual_seed(0)
    network = detector("yolov5s4h", "osam", "neck").train()
    raw = network(torch.rand(4, 3, 128, 128))
    (raw["boxes"].square().mean() + raw["scores"].square().mean()).backward()
    still = [
        name
        for name, p in network.named_parameters()
        if ".dfl." not in name and (p.grad is None or not p.grad.any())
    ]
    assert still == []


@pytest.mark.thorough
@pytest.mark.parametrize(("backbone", "attention", "location", "options"), DETECTORS)
def test_detectors_decode_one_prediction_for_each_place(
    backbone: str, attention: str, location: str, options: dict[str, Any]
) -> None:
    torch.manual_seed(0)
    network = detector(backbone, attention, location, **options).eval()
    for px in (64, 128, 320):
        with torch.no_grad():
            decoded = network(torch.rand(1, 3, px, px))[0]
        places = sum((px // int(stride)) ** 2 for stride in network.stride)
        assert decoded.shape == (1, 4 + 7, places)
        assert decoded.isfinite().all()
        assert 0 <= float(decoded[:, 4:].min()) <= float(decoded[:, 4:].max()) <= 1


@pytest.mark.parametrize("backbone", ["yolov5s4h", "yolov7t"])
def test_detectors_run_at_the_librarys_own_size(backbone: str) -> None:
    network = detector(backbone).eval()
    with torch.no_grad():
        assert network(torch.rand(1, 3, 640, 640))[0].isfinite().all()


@pytest.mark.parametrize("location", ["none", "neck"])
def test_yolov10_is_read_by_its_one_to_one_branch(location: str) -> None:
    torch.manual_seed(0)
    network = detector("yolo", location=location, model="yolov10n").eval()
    with torch.no_grad():
        for p in network.model[-1].one2one_cv3.parameters():
            p.add_(0.1)  # the branches start equal
        decoded, raw = network(torch.rand(1, 3, 64, 64))
        served = deployed(network)(torch.rand(1, 3, 64, 64))
    assert torch.equal(decoded[:, 4:], raw["one2one"]["scores"].sigmoid())
    assert not torch.equal(raw["one2one"]["scores"], raw["one2many"]["scores"])
    assert served[0].shape == decoded.shape == (1, 4 + 7, 84)


@pytest.mark.parametrize("model", ["yolov6n", "yolov9t", "yolov10n", "yolo12n"])
def test_rows_that_are_open_to_gates_are_the_librarys_own(model: str) -> None:
    networks = []
    for location in ("none", "neck"):
        torch.manual_seed(0)
        networks.append(detector("yolo", location=location, model=model).eval())
    x = torch.rand(1, 3, 64, 64)
    assert networks[1](x)[0].equal(networks[0](x)[0])


def test_the_conv_unit_replaces_the_blocks_activations_too() -> None:
    swish = load("ferbench.models.backbones", "yolov7t")(nn.Identity, "none", ConvUnit("SiLU"), 3)
    kinds = (nn.SiLU, nn.LeakyReLU)
    for network, kind in ((swish.build(7), nn.SiLU), (detector("yolov7t"), nn.LeakyReLU)):
        assert {type(m) for m in network.modules() if isinstance(m, kinds)} == {kind}


def test_features_of_the_backbone_are_yolov5s_first_ten_layers() -> None:
    features = body("cspd53", form="classify")
    library = LibraryGraph("yolov5s.yaml", 3).build(7)
    theirs: nn.Sequential = library.model[:10]  # type: ignore[assignment, index]
    assert parameters(features) == parameters(theirs)
    features.load_state_dict(theirs.state_dict())
    x = torch.rand(1, 3, 96, 96)
    out = features.eval()(x)
    assert out.shape == (1, 512, 3, 3)
    assert out.equal(theirs.eval()(x))


def test_unknown_option_values_are_refused() -> None:
    for backbone, option in (("yolo", "model"), ("cspd53", "form"), ("yolov5s4h", "p2_fusion")):
        with pytest.raises(InputError, match=f"unknown {option} of backbone {backbone} 'new'"):
            body(backbone, **{option: "new"})


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    """A file in the form of the library's release, and the network in it."""
    folder = tmp_path_factory.mktemp("hub")
    (folder / "checkpoints").mkdir()
    torch.manual_seed(5)
    network = LibraryGraph("yolov5s.yaml", 3).build(7).eval()
    content = {"model": network, "ema": None, "epoch": -1, "train_args": {"lr0": 0.01}}
    torch.save(content, folder / "checkpoints" / "yolov5su.pt")
    return folder, network


@pytest.mark.parametrize(
    ("backbone", "location", "options"),
    [("yolov5s", "none", {}), ("yolov5s", "branches", {"inline": True})]
    + [("yolo", location, {"model": "yolov5s"}) for location in ("none", "neck")],
)
def test_released_weights_fit_whatever_the_gates(
    released: tuple[Path, nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    *,
    backbone: str,
    location: str,
    options: dict[str, Any],
) -> None:
    folder, theirs = released
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    ours = detector(backbone, "none", location, **options).eval()
    ours.load_state_dict(pretrained(backbone, location=location, **options))
    x = torch.rand(1, 3, 64, 64)
    assert ours(x)[0].equal(theirs(x)[0])


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("backbone", "location", "rows"),
    [("yolov5s4h", "branches", 24), ("yolov5s4h", "neck", 24)]
    + [("cspd53", location, 10) for location in ("none", "outputs", "embedding", "last")],
)
def test_released_weights_fill_the_rows_that_are_yolov5s(
    released: tuple[Path, nn.Module],
    monkeypatch: pytest.MonkeyPatch,
    *,
    backbone: str,
    location: str,
    rows: int,
) -> None:
    folder, theirs = released
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(folder))
    ours = detector(backbone, "osam", location)
    state = pretrained(backbone, location=location)
    assert not ours.load_state_dict(state, strict=False).unexpected_keys
    filled: nn.Sequential = theirs.model[:rows]  # type: ignore[assignment, index]
    assert list(map(torch.sum, state.values())) == list(
        map(torch.sum, filled.state_dict().values())
    )


def test_features_are_filled_by_their_own_names(
    released: tuple[Path, nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(released[0]))
    features = body("cspd53", "none", "embedding", form="classify")
    features.load_state_dict(pretrained("cspd53", location="embedding", form="classify"))


def test_error_for_absent_weights_names_address_and_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", no_network)
    with pytest.raises(InputError, match=r"https://.*/yolov8s\.pt") as error:
        pretrained("yolo", model="yolov8s")
    assert str(tmp_path / "checkpoints" / "yolov8s.pt") in error.value.remedy


def test_weights_that_were_never_released_are_refused() -> None:
    with pytest.raises(InputError, match="not released"):
        pretrained("yolo", model="yolov6s")
    with pytest.raises(InputError, match="unknown weights of backbone yolov5s 'imagenet'"):
        pretrained("yolov5s", word="imagenet")


def pretrained(backbone: str, word: str = "coco", **options: Any) -> dict[str, Tensor]:
    module = importlib.import_module(module_of("ferbench.models.backbones", backbone))
    state: dict[str, Tensor] = getattr(module, f"{backbone}_weights")(word, **options)
    return state


def _sources(source: int | list[int]) -> list[int]:
    return source if isinstance(source, list) else [source]
