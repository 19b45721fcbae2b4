"""The programs that are compared draw the same prompts, and what they need is counted."""

from pathlib import Path

import pytest
import torch

from engine import Recipe, plan
from lab.bench.peers import (
    Result,
    count_evaluations,
    format_results,
    load_programs,
    main,
    run_by_turns,
    sharpness,
)
from lab.bench.plain_demofusion import PlainDemoFusion, blur
from lab.judge.judge import load_judge
from lab.world.scenes import held_out_scenes, render

# A stand-in for the community pipeline's file: it draws with the model's networks, at native size.
COMMUNITY_FILE = """
from diffusers import StableDiffusionXLPipeline


class DemoFusionSDXLPipeline(StableDiffusionXLPipeline):
    def __call__(self, prompt, height, width, num_inference_steps, generator, **more):
        assert more["stride"] == 8 and more["cosine_scale_1"] == 3
        drawn = super().__call__(prompt, height=128, width=128, num_inference_steps=num_inference_steps)
        return [drawn.images[0], drawn.images[0].resize((width, height))]
"""


@pytest.fixture
def community(tmp_path):
    """The file of a stand-in for the community pipeline."""
    file = tmp_path / "pipeline.py"
    file.write_text(COMMUNITY_FILE)
    return file


def test_the_plain_loop_evaluates_what_the_published_method_does(model):
    recipe = Recipe(prompt="a red house", faithful=True, scheduler="ddim", steps=4, width=256, height=256)
    with count_evaluations(model) as counts:
        latent = PlainDemoFusion(model, "a red house", 256, 4, 5.0, 0, 8).draw()
    assert latent.shape == (1, 4, 32, 32)
    assert sum(counts) == plan(recipe, model.facts).evaluations == 4 * 2 * (1 + 9 + 4)


def test_the_plain_loop_does_not_depend_on_the_number_of_views_in_a_call(model):
    one, eight = (PlainDemoFusion(model, "a red house", 256, 3, 5.0, 0, n).draw() for n in (1, 8))
    assert torch.allclose(one, eight, atol=1e-4)


def test_the_blur_keeps_mean_and_deviation():
    z = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(0)) + 3
    smooth = blur(z, 3, 0.8)
    assert smooth.mean().item() == pytest.approx(z.mean().item(), abs=1e-4)
    assert smooth.std().item() == pytest.approx(z.std().item(), abs=1e-4)
    assert smooth.diff(dim=-1).abs().mean() < z.diff(dim=-1).abs().mean()


def test_all_programs_draw_each_prompt(model, community):
    programs = load_programs(model, 256, 4, community)
    assert list(programs)[:3] == ["the paper's formulas", "as published, this engine", "community pipeline"]
    results = run_by_turns(programs, model, ["a red house", "a blue boat"])
    assert {len(result.pictures) for result in results.values()} == {2}
    assert {one.shape for result in results.values() for one in result.pictures} == {(256, 256, 3)}
    assert results["the paper's formulas"].evaluations == results["as published, this engine"].evaluations
    assert all(result.seconds > 0 for result in results.values())


def test_the_network_is_given_back_after_counting(model):
    forward = model.unet.forward
    with count_evaluations(model):
        pass
    assert model.unet.forward == forward


def test_a_file_that_is_no_program_is_refused(model, tmp_path):
    with pytest.raises(SystemExit, match="no Python file"):
        load_programs(model, 256, 2, tmp_path / "notes.txt")


def test_true_pictures_are_right_and_sharp():
    scenes = held_out_scenes(2)
    pictures = [render(scene, (256, 256)) for scene in scenes]
    assert sharpness(pictures[0], pictures[0]) == 1
    results = {"true": Result(2.0, 20, pictures), "twice": Result(4.0, 40, pictures)}
    lines = format_results(results, scenes, load_judge(Path("assets/postcards"))).splitlines()
    assert lines[2] == "| true | 1.0 | 0.50 | 10 | 0.50 | 100% | 100% | 1.00 |"


@pytest.mark.slow
def test_the_command_prints_a_line_for_each_program(capsys):
    main(["--size", "512", "--prompts", "1", "--steps", "4"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[0] for line in lines[4:]] == [
        "| the paper's formulas",
        "| as published, this engine",
        "| preset draft",
        "| preset standard",
        "| preset fine",
    ]
