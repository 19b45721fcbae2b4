"""DemoFusion (Du et al., CVPR 2024) and all methods of engine/methods.py: one loop over stages and steps."""

from collections.abc import Iterator, Sequence

import torch

from engine.planning.stage import Stage
from engine.planning.views import views_at
from engine.sampling.fuse import blend, predict
from engine.sampling.guidance import guide
from engine.sampling.signals import Signal, StageMade, StepStarted, X0Predicted
from engine.sampling.solver import Solver
from engine.sampling.start import LoopInputs, start_stage
from engine.sampling.tone import match_tone


@torch.inference_mode()
def sample_stages(stages: Sequence[Stage], below: StageMade | None, run: LoopInputs) -> Iterator[Signal]:
    """Make the stages in order. below: the finished stage from which the first of them starts, or None."""
    latent, tone = (below.latent, below.tone) if below else (None, None)
    for stage in stages:
        yield StepStarted(stage, 0)
        recipe, solver, x0 = stage.recipe, Solver.for_stage(stage), None
        z, anchor, picture = yield from start_stage(latent, stage, solver, run)  # enlarge and renoise
        for n, step in enumerate(stage.steps, 1):  # t, c1, c2, blur: engine/formulas/schedule.py
            yield StepStarted(stage, n)
            if anchor:
                z = anchor.pull(z, step, x0)  # skip residual: (1 - c1) z + c1 z'
            patches = stage.patches[step.index]  # how this method changes the network at this step
            views = views_at(stage, step, run.noise)  # shifted crops or the whole; every s-th row and column
            model_input = solver.model_input(z, step)
            local, dilated = yield from predict(run.denoiser, model_input, stage, step, views, patches)
            prediction, blurred_input = blend(local, dilated, step.c2)  # (1 - c2) local + c2 dilated
            prediction = guide(prediction, recipe.guidance, recipe.guidance_rescale)
            x0 = solver.x0(prediction, step, blurred_input)
            yield X0Predicted(x0)
            prediction = solver.unblur(prediction, step, model_input, blurred_input, recipe.lattice)  # ours
            z = solver.step(prediction, step, z, run.noise, stage.number)  # one step, on the whole canvas
        latent, tone = match_tone(z, tone)  # ours: every stage has the mean and deviation of the first
        yield StageMade(stage, latent, tone, picture)
