"""Detectors of others with random weights, in files such as the hub has."""

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
    """A cache of the hub, which cannot be reached; gives the paths of a detector's files in it."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr(detectors, "_loaded", {})
    monkeypatch.setattr(detectors, "_failures", {})

    def paths(kind):
        origin = detectors.DETECTOR_SOURCES[kind]
        folder = tmp_path / "hub" / f"models--{origin.repository.replace('/', '--')}"
        (folder / "snapshots" / COMMIT).mkdir(parents=True, exist_ok=True)
        (folder / "refs").mkdir(exist_ok=True)
        (folder / "refs" / "main").write_text(COMMIT)
        return [folder / "snapshots" / COMMIT / name for name in origin.files]

    return paths


def colour_squares(rows, cols):
    """A picture of coloured squares, 16 px a side."""
    small = keyed_normal((-(-rows // 16), -(-cols // 16), 3), 1, "photo")
    large = small.repeat(16, 0).repeat(16, 1)[:rows, :cols]
    return np.clip(128 + 50 * large, 0, 255).astype(np.uint8)


def save_detector(kind, paths):
    """The files of a detector of controlnet-aux. They hold half precision, to be small."""
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
            told = {"architecture": "BN", "sampling_ratio": 0.4, "importance_ratio": 0.7}
            return aux.normalbae.NNET(SimpleNamespace(mode="client", pretrained="scannet", **told))
    raise ValueError(kind)


def save_depth_model(folder):
    """A folder with a tiny network that tells depth."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, Dinov2Config

    torch.manual_seed(7)
    sees = Dinov2Config(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        image_size=56,
        patch_size=14,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
    )
    told = DepthAnythingConfig(
        backbone_config=sees,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8, 8, 8, 8],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    net = DepthAnythingForDepthEstimation(told)
    for weight in net.parameters():
        if weight.ndim > 1:
            torch.nn.init.kaiming_uniform_(weight)
    # What is below zero at its end is cut off: with random weights, all of it might be.
    torch.nn.init.constant_(net.head.conv3.bias, 100.0)
    net.save_pretrained(folder)


class StandingFigureDetector:
    """Finds one figure in every picture, of whom a nose, a neck and a hip are seen."""

    def __init__(self, *places):
        self.places = places

    def __call__(self, pixels):
        """Points (x, y, score, number) as shares of the picture, and which of them one figure has."""
        high, wide = pixels.shape[:2]
        points = np.array([[x * wide, y * high, 1.0, k] for k, (x, y) in enumerate(self.places)])
        figure = np.full((1, 20), -1.0)
        figure[0, : len(points)] = range(len(points))
        return points, figure

    @staticmethod
    def format_body_result(candidate, subset):
        from controlnet_aux.open_pose import Body

        return Body.format_body_result(candidate, subset)
