"""Compares this engine with other programs: seconds, evaluations, and what is measured of the pictures.

All draw the same prompts with the same weights and threads, by turns, so that a busy machine slows all alike:
DemoFusion as the paper writes it in a plain loop; as published, by this engine; the quality presets; and, if a file is
named, the community pipeline of diffusers (examples/community/pipeline_demofusion_sdxl.py). That file is executed.

python -m lab.bench.peers [--size 1024] [--prompts 2] [--steps 50] [--community FILE] [--of assets/postcards]
"""

import argparse
import importlib.util
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine import Model, Recipe, load_model
from engine.recipe.quality import apply_quality, quality_names
from engine.vae.codec import decode
from lab.bench.plain_demofusion import PlainDemoFusion
from lab.judge.cases import CLASSES
from lab.judge.judge import Judge, classify, load_judge
from lab.measure.base_quality import scene_prompts
from lab.measure.pictures import draw
from lab.measure.tables import Row, table
from lab.measure.vae_quality import to_pixels
from lab.training.vae import slopes
from lab.world.paint import Array
from lab.world.scenes import Scene, held_out_scenes, render

# The class of the community pipeline.
COMMUNITY_CLASS = "DemoFusionSDXLPipeline"
GUIDANCE, VIEW_BATCH, SIGMA = 5.0, 8, 0.8

# Draws a picture, in bytes (rows, cols, 3), from a prompt and a seed.
Program = Callable[[str, int], Array]


@dataclass
class Result:
    """What a program needed for its pictures, and what is measured of them."""

    seconds: float = 0.0
    evaluations: int = 0
    pictures: list[Array] = field(default_factory=list)


def load_programs(model: Model, size: int, steps: int, community: Path | None) -> dict[str, Program]:
    """Return the programs by name.

    steps: of those that draw as published; the presets have their own.
    community: the file of the community pipeline; None without it.
    """
    programs: dict[str, Program] = {
        "the paper's formulas": partial(draw_plainly, model, size, steps),
        "as published, this engine": partial(
            draw_with_engine,
            model,
            Recipe(faithful=True, scheduler="ddim", steps=steps, width=size, height=size),
        ),
    }
    if community:
        programs["community pipeline"] = load_community(community, model, size, steps)
    for name in quality_names(model.facts):
        recipe = apply_quality(Recipe(width=size, height=size), name, model.facts)
        programs[f"preset {name}"] = partial(draw_with_engine, model, recipe)
    return programs


def draw_with_engine(model: Model, recipe: Recipe, prompt: str, seed: int) -> Array:
    """Draw a recipe with another prompt and seed."""
    return draw(model, replace(recipe, prompt=prompt, seed=seed))


def draw_plainly(model: Model, size: int, steps: int, prompt: str, seed: int) -> Array:
    """Draw a picture by the paper's formulas."""
    latent = PlainDemoFusion(model, prompt, size, steps, GUIDANCE, seed, VIEW_BATCH).draw()
    with torch.inference_mode():
        return np.asarray(decode(model.vae, latent).convert("RGB"))


def load_community(file: Path, model: Model, size: int, steps: int) -> Program:
    """Return the community pipeline with a model's networks. Its file is executed."""
    spec = importlib.util.spec_from_file_location("community_demofusion", file)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    pipeline = getattr(module, COMMUNITY_CLASS)(**model.pipeline.components)
    pipeline.set_progress_bar_config(disable=True)
    settings: dict[str, Any] = {
        "negative_prompt": "",
        "height": size,
        "width": size,
        "num_inference_steps": steps,
        "guidance_scale": GUIDANCE,
        "view_batch_size": VIEW_BATCH,
        "stride": model.facts.window // 2,
        "sigma": SIGMA,
        "cosine_scale_1": 3.0,
        "cosine_scale_2": 1.0,
        "cosine_scale_3": 1.0,
        "multi_decoder": False,
        "show_image": False,
    }

    def draw_picture(prompt: str, seed: int) -> Array:
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        return np.asarray(pipeline(prompt=prompt, generator=generator, **settings)[-1].convert("RGB"))

    return draw_picture


@contextmanager
def count_evaluations(model: Model) -> Iterator[list[int]]:
    """Yield a list to which each call of the model's network in this context adds its number of latents."""
    counts: list[int] = []
    forward = model.unet.forward

    def counted(latents: torch.Tensor, *arguments: Any, **more: Any) -> Any:
        counts.append(len(latents))
        return forward(latents, *arguments, **more)

    model.unet.forward = counted
    try:
        yield counts
    finally:
        model.unet.forward = forward


def run_by_turns(programs: dict[str, Program], model: Model, prompts: Sequence[str]) -> dict[str, Result]:
    """Let each program draw each prompt, and return what it needed."""
    results = {name: Result() for name in programs}
    for seed, prompt in enumerate(prompts):
        for name, program in programs.items():
            with count_evaluations(model) as counts:
                began = time.perf_counter()
                picture = program(prompt, seed)
                results[name].seconds += time.perf_counter() - began
            results[name].evaluations += sum(counts)
            results[name].pictures.append(picture)
    return results


def sharpness(picture: Array, true: Array) -> float:
    """Return the sum of the differences of a picture's neighbouring px over that of the true picture."""
    made, wanted = (
        sum(float(part.abs().sum()) for part in slopes(to_pixels(one))) for one in (picture, true)
    )
    return made / wanted


def format_results(results: dict[str, Result], scenes: Sequence[Scene], judge: Judge) -> str:
    """Return a Markdown table. The ratios are to the last program."""
    *_, last = results.values()
    rows = []
    for name, result in results.items():
        classes = classify(judge, result.pictures)
        pairs = zip(result.pictures, scenes, strict=True)
        sharp = np.mean([sharpness(one, render(scene, one.shape[:2])) for one, scene in pairs])
        subjects = [CLASSES["subject"][k] for k in classes["subject"]]
        right = np.mean([seen == scene.subject for seen, scene in zip(subjects, scenes, strict=True)])
        rows.append(
            Row(
                name,
                f"{result.seconds / len(scenes):.1f}",
                f"{result.seconds / last.seconds:.2f}",
                f"{result.evaluations // len(scenes)}",
                f"{result.evaluations / last.evaluations:.2f}",
                f"{right:.0%}",
                f"{np.mean(classes['number'] == 1):.0%}",
                f"{sharp:.2f}",
            )
        )
    head = ("program", "seconds", "ratio", "evaluations", "ratio", "subject", "one subject", "sharpness")
    return table(rows, head)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="lab.bench.peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--of", type=Path, default=Path("assets/postcards"), help="the pipeline folder")
    parser.add_argument("--community", type=Path, metavar="FILE", help="the file of the community pipeline")
    parser.add_argument("--size", type=int, default=1024, help="the side of the pictures in px")
    parser.add_argument("--steps", type=int, default=50, help="of those that draw as published")
    parser.add_argument("--prompts", type=int, default=2)
    given = parser.parse_args(arguments)
    model = load_model(given.of)
    scenes = held_out_scenes(given.prompts)
    programs = load_programs(model, given.size, given.steps, given.community)
    results = run_by_turns(programs, model, scene_prompts(scenes))
    print(f"{given.size} px, {given.prompts} prompts, {model.facts.dtype}, {model.facts.threads} threads\n")
    print(format_results(results, scenes, load_judge(given.of)))


if __name__ == "__main__":
    main()
