"""FLOPs of a network's evaluation, counted on torch's meta device, where nothing is computed."""

from functools import cache

import torch
from diffusers import UNet2DConditionModel
from torch.utils.flop_counter import FlopCounterMode

from engine.network.patching.apply import apply_patches

SDXL = {
    "sample_size": 128, "in_channels": 4, "out_channels": 4, "layers_per_block": 2,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048, "use_linear_projection": True, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
SD15 = {
    "sample_size": 64, "in_channels": 4, "out_channels": 4, "layers_per_block": 2, "cross_attention_dim": 768,
    "block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": 8,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
}  # fmt: skip
SD21 = SD15 | {
    "sample_size": 96, "cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}  # fmt: skip


def make_meta_unet(config):
    """Make a UNet without weights."""
    with torch.device("meta"):
        return UNet2DConditionModel(**config).eval()


@cache
def count_flops(unet, rows, cols, patches=()):
    """Count FLOPs by module and operation; those of the whole network are under "Global"."""
    config, device = unet.config, unet.device
    size = config.projection_class_embeddings_input_dim
    added_conditions = None
    if size:
        pooled = size - 6 * config.addition_time_embed_dim
        added_conditions = {
            "text_embeds": torch.zeros(1, pooled, device=device),
            "time_ids": torch.zeros(1, 6, device=device),
        }
    latents = torch.zeros(1, config.in_channels, rows, cols, device=device)
    text = torch.zeros(1, 77, config.cross_attention_dim, device=device)
    with FlopCounterMode(display=False) as counter, torch.no_grad(), apply_patches([unet], patches):
        unet(latents, torch.zeros(1, device=device), text, added_cond_kwargs=added_conditions)
    return counter.get_flop_counts()


def level_shares(unet):
    """Measure each level's share of a native evaluation, outermost first, as two parts: one that grows with
    the area, and one that grows with its square.
    """
    side = unet.config.sample_size
    native, larger = count_flops(unet, side, side), count_flops(unet, 2 * side, 2 * side)
    depth, found = len(unet.down_blocks), []
    whole = sum(native["Global"].values())
    for k in range(depth):
        names = [f"down_blocks.{k}", f"up_blocks.{depth - 1 - k}"] + ["mid_block"] * (k == depth - 1)
        one, four = (
            sum(sum(flops.get(f"UNet2DConditionModel.{name}", {}).values()) for name in names)
            for flops in (native, larger)
        )
        square = (four - 4 * one) / 12  # linear + square = one, 4 linear + 16 square = four
        found.append(((one - square) / whole, square / whole))
    return found
