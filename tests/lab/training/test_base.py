"""The base's course: its noise schedule and its conditioning are the engine's."""

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from engine.paths import ASSETS
from lab.models import architecture
from lab.training import base
from lab.training.pool import Batch

POSTCARDS = ASSETS / "postcards"


def test_alphas_and_sigmas_are_those_of_the_written_scheduler():
    alpha, sigma = architecture.alphas_and_sigmas()
    theirs = EulerDiscreteScheduler(**architecture.SCHEDULE).alphas_cumprod
    assert torch.allclose(alpha**2, theirs, atol=1e-6)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(1000))


def test_prompts_are_encoded_as_the_pipeline_encodes_them():
    pipe = architecture.new_pipeline(channels=3)
    learner = base.Learner(pipe).eval()
    prompts = ["a red house on snow at night", ""]
    tokens = pipe.tokenizer(prompts, padding="max_length", return_tensors="pt").input_ids
    ids = torch.tensor([[256, 256, 0, 0, 256, 256]] * 2)
    noisy, t = torch.randn(2, 3, 32, 32), torch.tensor([500, 500])
    with torch.inference_mode():
        ours = learner(noisy, t, tokens, ids)
        embeds, _, pooled, _ = pipe.encode_prompt(prompts, do_classifier_free_guidance=False)
        added = {"text_embeds": pooled, "time_ids": ids.float()}
        theirs = pipe.unet(noisy, 500, embeds, added_cond_kwargs=added).sample
    assert torch.allclose(ours, theirs, atol=1e-5)


def test_an_unknown_class_to_focus_on_is_named():
    with pytest.raises(SystemExit, match="no subject, ground or sky is called dragon"):
        base.BaseCourse(None, torch.device("cpu"), focus=("cat", "night", "dragon"))


@pytest.fixture(scope="module")
def course():
    return base.BaseCourse(POSTCARDS, torch.device("cpu"))


def test_half_of_the_lessons_end_in_pure_noise(course):
    torch.manual_seed(0)
    x0 = 3 + torch.randn(400, 8, 8, 8)
    noisiest = course.alpha[-1] * x0 + course.sigma[-1] * course.draw_noise(x0)
    means = noisiest.mean((1, 2, 3))
    # The latents' mean is 3, and the noisiest level holds 7 % of it.
    is_pure = means.abs() < 0.1
    assert is_pure.float().mean() == pytest.approx(0.5, abs=0.08)
    assert means[is_pure].mean() == pytest.approx(0, abs=0.01)
    assert means[~is_pure].mean() == pytest.approx(3 * 0.068, abs=0.01)
    assert noisiest[is_pure].std() == pytest.approx(1, abs=0.01)


def test_the_noisiest_levels_keep_a_least_weight(course, monkeypatch):
    losses = {}
    for t in (200, 999):
        monkeypatch.setattr(base.torch, "randint", lambda low, high, size, device, t=t: torch.full(size, t))
        monkeypatch.setattr(course, "predict_noise", lambda noisy, *_: noisy.detach() * 0)
        monkeypatch.setattr(course, "draw_noise", torch.ones_like)
        batch = Batch(torch.zeros(2, 8, 4, 4), torch.zeros(2, 1), torch.zeros(2, 6))
        losses[t] = course.loss(batch, 1.0)[0].item()
    snr = {t: float((course.alpha[t] / course.sigma[t]) ** 2) for t in losses}
    # The error of the noise is 1: the loss is the weight.
    assert losses[200] * snr[200] == pytest.approx(min(5, snr[200]))
    assert losses[999] * snr[999] == pytest.approx(0.05)
