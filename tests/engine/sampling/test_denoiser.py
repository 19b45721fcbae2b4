"""The denoiser, which calls the network."""

import pytest
import torch

from engine.errors import StopRequested
from engine.formulas.schedule import Step
from engine.network.text import Text
from engine.planning.views import View, ViewPosition
from engine.sampling.denoiser import Denoiser


def test_the_denoiser_checks_for_a_stop_before_each_call():
    class UncalledNetwork:
        def predict(self, *args):
            raise AssertionError("called")

    class SetStop:
        def is_set(self):
            return True

    views = (View(slice(0, 4), slice(0, 4), (0, 0, 0, 0, 0, 0), ViewPosition(0, 0)),)
    denoiser = Denoiser(UncalledNetwork(), None, 1, 4, SetStop())
    with pytest.raises(StopRequested):
        list(denoiser.evaluate(torch.zeros(1, 4, 4, 4), views, None, Step(0, 500, 0, 0, 0)))


class PromptNetwork:
    """Predicts the embedding of each view's prompt everywhere."""

    device = torch.device("cpu")

    def predict(self, latents, t, text, *args):
        prompts = text.embeds.flatten().repeat_interleave(len(latents) // len(text.embeds))
        return prompts.view(-1, 1, 1, 1).expand_as(latents)


@pytest.mark.parametrize(("guided", "prompts"), [(True, [0.0, 1.0]), (False, [1.0])])
def test_a_step_without_guidance_evaluates_the_positive_prompt_alone(guided, prompts):
    views = tuple(View(slice(k, k + 4), slice(0, 4), (0,) * 6, ViewPosition(k, 0)) for k in range(3))
    denoiser = Denoiser(PromptNetwork(), Text(torch.tensor([0.0, 1.0]).view(2, 1, 1)), 2, 4)
    signals = denoiser.evaluate(torch.zeros(1, 4, 8, 4), views, None, Step(0, 500, 0, 0, 0, guided=guided))
    next(signals)
    with pytest.raises(StopIteration) as end:
        next(signals)
    _, predictions = end.value.value
    assert predictions.shape == (3, len(prompts), 4, 4, 4)
    assert predictions[:, :, 0, 0, 0].tolist() == [prompts] * 3
    assert denoiser.evaluations == 3 * len(prompts)
