"""A pytest plugin with detectors of other projects, whose random weights lie in files as on the Hub."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from engine.control import detectors
from engine.formulas.noise import keyed_normal

COMMIT = "0" * 40


@pytest.fixture
def hub_files(tmp_path, monkeypatch):
    """A function that returns where a detector's files lie in the cache of the Hub, which is unreachable."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(detectors, "_loaded", {})
    monkeypatch.setattr(detectors, "_failures", {})

    def paths(kind):
        source = detectors.DETECTOR_SOURCES[kind]
        folder = tmp_path / "hub" / f"models--{source.repository.replace('/', '--')}"
        (folder / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(COMMIT)
        return [folder / "snapshots" / COMMIT / name for name in source.files]

    return paths


def colour_squares(rows, cols):
    """Draw a picture of coloured squares, 16 px a side, as an array."""
    small = keyed_normal((-(-rows // 16), -(-cols // 16), 3), 1, "photo")
    large = small.repeat(16, 0).repeat(16, 1)[:rows, :cols]
    return np.clip(128 + 50 * large, 0, 255).astype(np.uint8)


def save_detector(kind, paths):
    """Save a detector of controlnet-aux with random weights. They are in half precision, to be small."""
    torch.manual_seed(7)
    values = {name: value.half() for name, value in _make_detector(kind).state_dict().items()}
    if kind == "pidi":
        values = {"state_dict": {f"module.{name}": value for name, value in values.items()}}
    elif kind == "openpose":
        values = {name.split(".", 1)[1]: value for name, value in values.items()}
    elif kind == "normal":
        values = {"model": values}
    for path in paths:
        torch.save(values, path)


def _make_detector(kind):
    import controlnet_aux as aux

    match kind:
        case "hed":
            return aux.hed.ControlNetHED_Apache2()
        case "pidi":
            return aux.pidi.pidinet()
        case "teed":
            return aux.teed.TED()
        case "mlsd":
            return aux.mlsd.MobileV2_MLSD_Large()
        case "lineart_fine":
            return aux.lineart.Generator(3, 1, 3)
        case "lineart_anime":
            return aux.lineart_anime.UnetGenerator(3, 1, 8, norm_layer=partial(torch.nn.InstanceNorm2d))
        case "openpose":
            return aux.open_pose.body.bodypose_model()
        case "normal":
            settings = {"architecture": "BN", "sampling_ratio": 0.4, "importance_ratio": 0.7}
            return aux.normalbae.NNET(SimpleNamespace(mode="client", pretrained="scannet", **settings))
    raise ValueError(kind)


def save_depth_model(folder):
    """Save a tiny depth estimation network in a folder."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(7)
    backbone = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    network = DepthAnythingForDepthEstimation(config)
    for weight in network.parameters():
        if weight.ndim > 1:
            torch.nn.init.kaiming_uniform_(weight)
    # The network ends in a ReLU, which could cut off everything that random weights predict.
    torch.nn.init.constant_(network.head.conv3.bias, 100.0)
    network.save_pretrained(folder)


class StandingFigureDetector:
    """A pose detector that finds one figure in every picture, with its points at the same places."""

    def __init__(self, *places):
        self.places = places

    def __call__(self, pixels):
        """Return the points (x in px, y in px, score, number), and which of them belong to the figure."""
        high, wide = pixels.shape[:2]
        points = np.array([[x * wide, y * high, 1.0, k] for k, (x, y) in enumerate(self.places)])
        figure = np.full((1, 20), -1.0)
        figure[0, : len(points)] = range(len(points))
        return points, figure

    @staticmethod
    def format_body_result(candidate, subset):
        from controlnet_aux.open_pose import Body

        return Body.format_body_result(candidate, subset)
