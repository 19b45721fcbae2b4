"""The base's course: its noise schedule and its conditioning are the engine's."""

import pytest
import torch
from diffusers import EulerDiscreteScheduler

from lab.models import architecture
from lab.training import base


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
