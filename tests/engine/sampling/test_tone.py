"""Every later stage has the first one's mean and deviation."""

import pytest
import torch

from engine.sampling.tone import Tone, match_tone


def random(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def test_the_tone_is_matched_exactly():
    tone = Tone.of(3 + 0.5 * random(1, 4, 16, 16))
    matched, kept = match_tone(random(1, 4, 32, 32) * 7 - 2, tone)
    assert kept is tone
    assert matched.mean().item() == pytest.approx(tone.mean.item(), abs=1e-5)
    assert matched.std().item() == pytest.approx(tone.deviation.item(), rel=1e-5)


def test_the_first_stage_keeps_its_own_tone():
    latent = random(1, 4, 16, 16)
    matched, tone = match_tone(latent, None)
    assert torch.allclose(matched, latent, atol=1e-6)
    assert tone == Tone.of(latent)


def test_a_tone_that_was_stored_as_numbers_is_the_same_tone():
    tone = Tone.of(random(1, 4, 16, 16))
    assert Tone.from_numbers(*tone.to_numbers()) == tone
