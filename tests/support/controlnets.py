"""ControlNets with random weights that are felt, in diffusers' folder format."""

from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel

from engine.planning import controlnets
from tests.support.pictures import save_shapes
from tests.support.planning import small_recipe

EMBEDDING = (8, 8, 16, 16)


def save_controlnet(model: Path, to: Path, seed: int = 0, union: bool = False) -> Path:
    """One for the network in this folder. What it adds goes through convolutions that begin at zero; here
    they do not."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel.from_pretrained(model / "unet")
    if union:
        made = _make_union(unet)
    else:
        made = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    for name, weight in made.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond_embedding.conv_out")):
            torch.nn.init.normal_(weight, std=0.2)
    made.save_pretrained(to)
    return to


def _make_union(unet: UNet2DConditionModel) -> ControlNetUnionModel:
    told = unet.config
    return ControlNetUnionModel(
        in_channels=told.in_channels, down_block_types=told.down_block_types,
        block_out_channels=told.block_out_channels, layers_per_block=told.layers_per_block,
        norm_num_groups=told.norm_num_groups, cross_attention_dim=told.cross_attention_dim,
        attention_head_dim=told.attention_head_dim, use_linear_projection=True,
        addition_embed_type="text_time", addition_time_embed_dim=told.addition_time_embed_dim,
        projection_class_embeddings_input_dim=told.projection_class_embeddings_input_dim,
        conditioning_embedding_out_channels=EMBEDDING, num_control_type=6, num_trans_channel=16,
        num_trans_head=2, num_proj_channel=told.block_out_channels[0],
    )  # fmt: skip


@pytest.fixture(scope="session")
def controlnet_path(tiny_folder, tmp_path_factory):
    """A ControlNet for the tiny model."""
    return str(save_controlnet(tiny_folder, tmp_path_factory.mktemp("nets") / "edges"))


@pytest.fixture
def control_image(tmp_path):
    """The path of a picture to follow."""
    save_shapes(tmp_path / "scene.png", 256)
    return str(tmp_path / "scene.png")


@pytest.fixture
def controlled_recipe(controlnet_path, control_image):
    """A recipe with a control: changes go to the control."""
    return lambda **changes: small_recipe(
        scales=(1, 2), steps=6, controls=({"image": control_image, "net": controlnet_path} | changes,)
    )


@pytest.fixture(scope="session")
def controlnet_folder(tiny_folder, tmp_path_factory):
    """A ControlNet of the small model."""
    return save_controlnet(tiny_folder, tmp_path_factory.mktemp("nets") / "canny")


@pytest.fixture
def controlnet_kinds(controlnet_folder, monkeypatch):
    """The catalogue lists it; more kinds that it is to follow may be added to the list that this gives."""
    follows = ["canny"]
    listed = controlnets._ListedControlNet(str(controlnet_folder), "sdxl", 128, follows)
    monkeypatch.setattr(controlnets, "_listed_controlnets", lambda: (listed,))
    return follows
