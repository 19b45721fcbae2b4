"""A pytest plugin with ControlNets whose random weights change the picture, in diffusers' folder format."""

from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel

from engine.planning import controlnets
from tests.support.pictures import save_shapes
from tests.support.planning import small_recipe

EMBEDDING = (8, 8, 16, 16)


def save_controlnet(model: Path, to: Path, seed: int = 0, union: bool = False) -> Path:
    """Save a ControlNet for the UNet in the folder `model`; return its folder.

    A new ControlNet's output convolutions are zero; here they are random, so that it changes the picture.
    """
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    if union:
        controlnet = _make_union(unet)
    else:
        controlnet = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    for name, weight in controlnet.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weight, std=0.2)
    controlnet.save_pretrained(to)
    return to


def _make_union(unet: UNet2DConditionModel) -> ControlNetUnionModel:
    config = unet.config
    return ControlNetUnionModel(
        in_channels=config.in_channels, down_block_types=config.down_block_types,
        block_out_channels=config.block_out_channels, layers_per_block=config.layers_per_block,
        norm_num_groups=config.norm_num_groups, cross_attention_dim=config.cross_attention_dim,
        attention_head_dim=config.attention_head_dim, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=config.addition_time_embed_dim,
        projection_class_embeddings_input_dim=config.projection_class_embeddings_input_dim,
        conditioning_embedding_out_channels=EMBEDDING, num_control_type=6, num_trans_channel=16,
        num_trans_head=2, num_proj_channel=config.block_out_channels[0],
    )  # fmt: skip


@pytest.fixture(scope="session")
def controlnet_path(tiny_folder, tmp_path_factory):
    """The path of a ControlNet for the tiny model."""
    return str(save_controlnet(tiny_folder, tmp_path_factory.mktemp("controlnets") / "edges"))


@pytest.fixture
def control_image(tmp_path):
    """The path of a picture with shapes, to be a control's image."""
    save_shapes(tmp_path / "scene.png", 256)
    return str(tmp_path / "scene.png")


@pytest.fixture
def controlled_recipe(controlnet_path, control_image):
    """A function that makes a recipe with one control; its arguments change the control."""
    return lambda **changes: small_recipe(
        scales=(1, 1.5), steps=6, controls=({"image": control_image, "net": controlnet_path} | changes,)
    )


@pytest.fixture(scope="session")
def controlnet_folder(tiny_folder, tmp_path_factory):
    """The folder of a ControlNet for the tiny model, which the catalogue can list."""
    return save_controlnet(tiny_folder, tmp_path_factory.mktemp("controlnets") / "canny")


@pytest.fixture
def controlnet_kinds(controlnet_folder, monkeypatch):
    """Lists a ControlNet in the catalogue; the list of its kinds, which a test may extend."""
    kinds = ["canny"]
    listed = controlnets._ListedControlNet(str(controlnet_folder), "sdxl", 128, kinds)
    monkeypatch.setattr(controlnets, "_listed_controlnets", lambda: (listed,))
    return kinds
