"""Benchmarks on a GPU: seconds, peak memory and retreats of a network of SDXL's size with random weights.

python -m lab.bench.speed --sdxl [--steps 10]

Speed and memory do not depend on the values of the weights. These (7 GB) are written to a temporary folder
and loaded as any model is.
"""

import shutil
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.numpy import load_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine import Failed, Model, Recipe, Retreated, StageDone, generate, hardware, load_model, plan
from engine.catalogue.entries import Facts
from engine.planning import cost
from engine.recipe.quality import apply_quality, quality_names
from engine.runs.pace import Pace
from tests.support import tiny

# The noise schedule of the scheduler.
SCHEDULE = {name: tiny.SCHEDULER[name] for name in tiny.SCHEDULER if name.startswith(("beta", "timestep"))}
PROMPT = "a red house on snow at night"
# The (width, height) in px of the pictures.
SIZES = ((2048, 2048), (4096, 2048), (4096, 4096))
# The title of the method as its authors run it, beside those of the quality presets.
PUBLISHED = "published"
UNET = {
    "sample_size": 128,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "scaling_factor": 0.13025,
    "sample_size": 1024,
    "force_upcast": True,
}


def _encoder_config(vocabulary_size: int, width: int, layers: int, heads: int) -> CLIPTextConfig:
    """Return the configuration of a text encoder of this size."""
    return CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        max_position_embeddings=tiny.TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def write_sdxl_sized(folder: Path, device: str, dtype: torch.dtype = torch.float16) -> Path:
    """Write a pipeline of SDXL's size with random weights, and return its folder."""
    tokens = tiny.tokenizer()
    before = torch.get_default_dtype()
    torch.manual_seed(0)
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            pipeline = StableDiffusionXLPipeline(
                vae=AutoencoderKL(**VAE),
                text_encoder=CLIPTextModel(_encoder_config(len(tokens), 768, 12, 12)),
                text_encoder_2=CLIPTextModelWithProjection(_encoder_config(len(tokens), 1280, 32, 20)),
                tokenizer=tokens,
                tokenizer_2=tokens,
                unet=UNet2DConditionModel(**UNET),
                scheduler=EulerDiscreteScheduler(**SCHEDULE),
            )
    finally:
        torch.set_default_dtype(before)
    pipeline.save_pretrained(folder)
    return folder


@dataclass(frozen=True)
class RunResult:
    """What was measured of one run, and what was predicted."""

    seconds: float
    # Peak memory on the GPU, and what the plan predicted for it, in bytes.
    peak: int
    planned: int
    # Seconds that were predicted from earlier runs, or None without any.
    predicted: float | None
    # How often memory ran out and the run continued with less.
    retreats: int
    # The last stage's latent.
    latent: np.ndarray


def run(model: Model, recipe: Recipe, root: Path) -> RunResult:
    """Run a recipe from its first stage on; `root` holds the pace of earlier runs for the prediction."""
    whole = plan(recipe, model.facts)
    predicted = Pace(root).estimate_each(whole.stages)
    torch.cuda.reset_peak_memory_stats()
    seconds, retreats, latents = 0.0, 0, ""
    for event in generate(recipe, model, out=root):
        match event:
            case StageDone():
                seconds, latents = seconds + event.seconds, event.latents
            case Retreated():
                retreats += 1
            case Failed():
                raise SystemExit(event.sentence)
    latent = load_file(latents)["latents"]
    shutil.rmtree(Path(latents).parents[1])  # Otherwise the next run would find its stages there.
    predicted_total = None if None in predicted else sum(predicted)
    return RunResult(
        seconds,
        torch.cuda.max_memory_allocated(),
        cost.peak_memory(whole.stages),
        predicted_total,
        retreats,
        latent,
    )


def measure_matmul_rate(dtype: torch.dtype = torch.float16, side: int = 8192, tries: int = 20) -> float:
    """Return the operations per second of one large matrix product, the most that the GPU achieves."""
    a = torch.randn(side, side, device="cuda", dtype=dtype)
    a @ a
    torch.cuda.synchronize()
    began = time.perf_counter()
    for _ in range(tries):
        a @ a
    torch.cuda.synchronize()
    return tries * 2 * side**3 / (time.perf_counter() - began)


def count_operations(model: Model, views: int = 8) -> float:
    """Return the counted operations of one evaluation at native size."""
    from torch.utils.flop_counter import FlopCounterMode

    text = model.encode_text(PROMPT, "", 2)
    latents = torch.randn(2 * views, 4, 128, 128, device=model.device)
    ids = torch.zeros(2 * views, 6, device=model.device)
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.predict(latents, 500.0, text, ids)
    return counter.get_total_flops() / (2 * views)


def _print_result(title: str, result: RunResult) -> None:
    """Print a run's measurements beside the predictions."""
    predicted = f", predicted {result.predicted:.1f} s" if result.predicted else ""
    print(
        f"{title:34} {result.seconds:8.1f} s{predicted}, peak {result.peak / 1e9:.2f} GB, "
        f"planned {result.planned / 1e9:.2f} GB ({result.planned / result.peak - 1:+.0%}), "
        f"{result.retreats} retreats",
        flush=True,
    )


def _difference_db(a: np.ndarray, b: np.ndarray) -> float:
    """Return the signal-to-noise ratio of latent a against b, in dB."""
    return float(-10 * np.log10(((a - b) ** 2).mean() / b.var()))


def recipes_of_size(size: tuple[int, int], facts: Facts) -> dict[str, Recipe]:
    """Return the recipes by title that draw a picture of this (width, height) in px: each preset, and as published."""
    plain = Recipe(prompt=PROMPT, width=size[0], height=size[1])
    presets = {name: apply_quality(plain, name, facts) for name in quality_names(facts)}
    return presets | {PUBLISHED: replace(plain, faithful=True, steps=50)}


def print_benchmarks(steps: int) -> None:
    """Run all GPU benchmarks and print a line for each. steps: those of the runs with too little memory."""
    if not torch.cuda.is_available():
        raise SystemExit("There is no GPU here.")
    root = Path(tempfile.mkdtemp())
    folder = write_sdxl_sized(root / "sdxl", "cuda")
    torch.cuda.empty_cache()
    model = load_model(folder)
    peak, each = measure_matmul_rate(), count_operations(model)
    print(f"{model.facts.device}: {peak / 1e12:.0f} T operations/s in a product; {each / 1e12:.2f} T a view")
    small = Recipe(prompt=PROMPT, scales=(1, 2), steps=steps)
    first = run(model, small, root)
    for size in SIZES:
        for name, recipe in recipes_of_size(size, model.facts).items():
            result = run(model, recipe, root)
            areas = sum(map(cost.tile_areas, plan(recipe, model.facts).stages))
            _print_result(f"{size[0]} x {size[1]}, {name}", result)
            print(
                f"{'':34} {areas * each / result.seconds / peak:.0%} of that rate, decoding and files included"
            )
    torch.cuda.set_per_process_memory_fraction(
        0.93 * first.peak / torch.cuda.get_device_properties(0).total_memory
    )
    tight = run(model, small, root)
    torch.cuda.set_per_process_memory_fraction(1.0)
    _print_result("2048 x 2048, memory too short", tight)
    print(f"{'':34} {_difference_db(tight.latent, first.latent):.0f} dB from the undisturbed one")
    del model
    hardware.release_memory(torch.device("cuda"))
    by_turns = load_model(folder, offload=True)
    _print_result(
        "2048 x 2048, parts by turns", run(by_turns, Recipe(**vars(small) | {"view_batch": 1}), root)
    )
