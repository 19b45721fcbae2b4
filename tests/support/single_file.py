"""Tiny SD-shaped pipelines, and any tiny pipeline as one file with the original code's weight names."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextModel

from tests.support import tiny

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
OUTER = {
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
}  # fmt: skip
OPEN_CLIP = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight", "final_layer_norm.bias": "ln_final.bias",
}  # fmt: skip
LAYER = {
    "layer_norm1": "ln_1", "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}  # fmt: skip


def sd(
    folder: Path,
    *,
    linear: bool = False,
    widths: tuple[int, ...] = (16, 32),
    layers: int = 1,
    seed: int = 0,
    **changes: object,
) -> Path:
    """Save a tiny pipeline with random weights and the shape of SD 1.5, or of SD 2 if `linear`; return its folder.

    It has one text encoder, no size ids, and attention at full resolution. layers: ResNets a block.
    """
    torch.manual_seed(seed)
    tokens = tiny.tokenizer()
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, norm_num_groups=4,
            sample_size=tiny.WINDOW * 8,
        ),
        text_encoder=CLIPTextModel(tiny.text_config(len(tokens))),
        tokenizer=tokens,
        unet=unet(linear, widths, layers),
        scheduler=DDIMScheduler(**tiny.SCHEDULER | changes),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def unet(linear: bool, widths: tuple[int, ...] = (16, 32), layers: int = 1) -> UNet2DConditionModel:
    levels = len(widths)
    return UNet2DConditionModel(
        sample_size=tiny.WINDOW, in_channels=4, out_channels=4, layers_per_block=layers,
        block_out_channels=widths,
        down_block_types=["CrossAttnDownBlock2D"] * (levels - 1) + ["DownBlock2D"],
        up_block_types=["UpBlock2D"] + ["CrossAttnUpBlock2D"] * (levels - 1),
        attention_head_dim=2, cross_attention_dim=tiny.WIDTH, norm_num_groups=8,
        use_linear_projection=linear,
    )  # fmt: skip


def single_file(pipeline: object, path: Path, *marks: str) -> Path:
    """Save a whole pipeline in one file, its weights named as in the original code; return the file.

    marks: names of empty tensors to add, by which some checkpoints say what they are.
    """
    weights = {}
    unet = pipeline.unet
    for key, value in unet.state_dict().items():
        weights[f"model.diffusion_model.{_unet_key(key, unet.config)}"] = value
    levels = len(pipeline.vae.config.block_out_channels)
    for key, value in pipeline.vae.state_dict().items():
        old, value = _vae_key(key, levels), value
        flat = ".attn_1." in old and old.endswith("weight") and value.ndim == 2
        weights[f"first_stage_model.{old}"] = value[..., None, None] if flat else value
    if getattr(pipeline, "text_encoder_2", None) is not None:
        weights |= _clip(pipeline.text_encoder, "conditioner.embedders.0.transformer.text_model.")
        weights |= _open_clip(pipeline.text_encoder_2, "conditioner.embedders.1.model.")
    elif unet.config.use_linear_projection:
        weights |= _open_clip(pipeline.text_encoder, "cond_stage_model.model.")
    else:
        weights |= _clip(pipeline.text_encoder, "cond_stage_model.transformer.text_model.")
    weights |= {mark: torch.zeros(0) for mark in marks}
    save_file({key: value.detach().clone().contiguous() for key, value in weights.items()}, path)
    return path


def _unet_key(key: str, config: object) -> str:
    for new, old in OUTER.items():
        if key.startswith(f"{new}."):
            return key.replace(new, old, 1)
    side, *rest = key.split(".")
    if side == "mid_block":
        kind, k, *rest = rest
        place = f"middle_block.{2 * int(k) if kind == 'resnets' else 1}"
    else:
        block, kind, k, *rest = rest
        first, layers = int(block) * (config.layers_per_block + 1), config.layers_per_block
        if kind == "downsamplers":
            return f"input_blocks.{1 + first + layers}.0.op.{rest[-1]}"
        if kind == "upsamplers":
            after = 2 if config.up_block_types[int(block)].startswith("Cross") else 1
            return f"output_blocks.{first + layers}.{after}.conv.{rest[-1]}"
        blocks, first = ("input_blocks", 1 + first) if side == "down_blocks" else ("output_blocks", first)
        place = f"{blocks}.{first + int(k)}.{0 if kind == 'resnets' else 1}"
    inner = ".".join(rest)
    if kind == "resnets":
        for new, old in RESNET.items():
            inner = inner.replace(f"{new}.", f"{old}.", 1) if inner.startswith(f"{new}.") else inner
    return f"{place}.{inner}"


def _vae_key(key: str, levels: int) -> str:
    key = key.replace("conv_norm_out", "norm_out").replace("conv_shortcut", "nin_shortcut")
    for k in (0, 1):
        key = key.replace(f"mid_block.resnets.{k}", f"mid.block_{k + 1}")
    key = key.replace("mid_block.attentions.0", "mid.attn_1")
    if ".attn_1." in key:
        for new, old in {
            "group_norm": "norm",
            "to_q": "q",
            "to_k": "k",
            "to_v": "v",
            "to_out.0": "proj_out",
        }.items():
            key = key.replace(f".{new}.", f".{old}.")
    for i in range(levels):
        key = key.replace(f"down_blocks.{i}.resnets", f"down.{i}.block")
        key = key.replace(f"down_blocks.{i}.downsamplers.0", f"down.{i}.downsample")
        key = key.replace(f"up_blocks.{i}.resnets", f"up.{levels - 1 - i}.block")
        key = key.replace(f"up_blocks.{i}.upsamplers.0", f"up.{levels - 1 - i}.upsample")
    return key


def _bare(encoder: object) -> dict[str, torch.Tensor]:
    return {key.removeprefix("text_model."): value for key, value in encoder.state_dict().items()}


def _clip(encoder: object, prefix: str) -> dict[str, torch.Tensor]:
    return {prefix + key: value for key, value in _bare(encoder).items()}


def _open_clip(encoder: object, prefix: str) -> dict[str, torch.Tensor]:
    """Name weights as OpenCLIP does, where queries, keys and values lie in one tensor."""
    state, named = _bare(encoder), {}
    for key, value in state.items():
        if key in OPEN_CLIP:
            named[OPEN_CLIP[key]] = value
        elif key == "text_projection.weight":
            named["text_projection"] = value.T
        elif key.endswith(("q_proj.weight", "q_proj.bias")):
            stem, kind = key.rsplit(".q_proj.", 1)
            layer = stem.removeprefix("encoder.layers.").removesuffix(".self_attn")
            joined = torch.cat([state[f"{stem}.{x}_proj.{kind}"] for x in "qkv"])
            named[f"transformer.resblocks.{layer}.attn.in_proj_{kind}"] = joined
        elif not key.endswith(tuple(f"{x}_proj.{kind}" for x in "kv" for kind in ("weight", "bias"))):
            layer, inner = key.removeprefix("encoder.layers.").split(".", 1)
            for new, old in LAYER.items():
                inner = inner.replace(new, old)
            named[f"transformer.resblocks.{layer}.{inner}"] = value
    return {prefix + key: value for key, value in named.items()}
