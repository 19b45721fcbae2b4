"""A tiny SDXL-shaped model with random weights, made in a second, for tests and demonstrations.

python -m tests.support.tiny [folder]      makes a picture with it, in a run folder there
"""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from engine import Failed, Recipe, StageDone, generate, load_model

WINDOW, TOKENS, WIDTH = 16, 32, 16
SCHEDULER = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "timestep_spacing": "leading",
    "steps_offset": 1,
    "clip_sample": False,
    "set_alpha_to_one": False,
}


def write(
    folder: Path,
    *,
    scheduler: Any = None,
    widths: tuple[int, ...] = (16, 32),
    layers: int = 1,
    second: int = WIDTH,
    seed: int = 0,
) -> Path:
    """Save a complete pipeline with random weights in diffusers' folder format; return its folder.

    widths: channels of each level. layers: ResNets a block. second: width of the second text encoder.
    """
    torch.manual_seed(seed)
    tokens = tokenizer()
    pipeline = StableDiffusionXLPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), down_block_types=["DownEncoderBlock2D"] * 4,
            up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4, norm_num_groups=4,
            sample_size=WINDOW * 8, mid_block_add_attention=False, force_upcast=True,
        ),
        text_encoder=CLIPTextModel(text_config(len(tokens))),
        text_encoder_2=CLIPTextModelWithProjection(text_config(len(tokens), second)),
        tokenizer=tokens,
        tokenizer_2=tokens,
        unet=unet(widths, layers, second),
        scheduler=scheduler or DDIMScheduler(**SCHEDULER),
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    return folder


def unet(widths: tuple[int, ...], layers: int = 1, second: int = WIDTH) -> UNet2DConditionModel:
    levels = len(widths)
    return UNet2DConditionModel(
        sample_size=WINDOW, in_channels=4, out_channels=4, layers_per_block=layers, block_out_channels=widths,
        down_block_types=["DownBlock2D"] + ["CrossAttnDownBlock2D"] * (levels - 1),
        up_block_types=["CrossAttnUpBlock2D"] * (levels - 1) + ["UpBlock2D"],
        attention_head_dim=2, cross_attention_dim=WIDTH + second, norm_num_groups=8,
        use_linear_projection=True, addition_embed_type="text_time", addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + second,
    )  # fmt: skip


def tokenizer() -> CLIPTokenizer:
    """Make a tokenizer in which every printable ASCII character is a token."""
    letters = [chr(code) for code in range(33, 127)]
    words = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters)]
    return CLIPTokenizer(
        vocab={word: i for i, word in enumerate(words)}, merges=[], model_max_length=TOKENS,
        bos_token=words[0], eos_token=words[1], unk_token=words[1], pad_token=words[1],
    )  # fmt: skip


def text_config(words: int, width: int = WIDTH) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=words, hidden_size=width, intermediate_size=2 * width, projection_dim=width,
        num_hidden_layers=2, num_attention_heads=2, max_position_embeddings=TOKENS,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def main(folder: Path) -> None:
    diffusers_logging.disable_progress_bar()
    transformers_logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as models:
        model = load_model(write(Path(models) / "tiny"))
    for event in generate(Recipe(prompt="a red house", scales=(1, 2, 4), steps=20), model, out=folder):
        match event:
            case StageDone():
                height, width = event.size
                print(f"Stage {event.stage}: {width} x {height} px in {event.seconds:.1f} s  {event.image}")
            case Failed():
                sys.exit(event.sentence)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
