"""What the courses are taught from: pools of lessons, resized latents, detail."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler
from PIL import Image
from torch.nn.functional import avg_pool2d

from lab.measure import plain_loop, vae_quality
from lab.measure.tables import interval, rate
from lab.models import architecture
from lab.publish import refresh
from lab.training import base, pilot, sharpen, train, vae
from lab.training.pool import GROUP, Pool, Renderings
from lab.world.lessons import BUCKETS
from lab.world.scenes import render, scene


def pool(**more):
    return Pool(
        lambda pictures: avg_pool2d(pictures.permute(0, 3, 1, 2).float(), 8),
        lambda prompts: torch.tensor([[len(prompt)] for prompt in prompts]),
        **{"lessons": 64} | more,
    )


def test_a_pool_gives_batches_of_one_bucket_with_what_belongs_together():
    made = pool(lessons=96, squares=0.3)
    made.wait(96)
    draws = made.draws(2 * GROUP, 0)
    shapes = set()
    for _ in range(12):
        batch = next(draws)
        assert batch.latents.shape[:2] == (2 * GROUP, 3)
        assert batch.tokens.shape == (2 * GROUP, 1)
        assert batch.ids.shape == (2 * GROUP, 6)
        shapes.add(tuple(batch.latents.shape[2:]))
    assert shapes <= {(h // 8, w // 8) for h, w in BUCKETS}
    assert len(shapes) > 1


def test_lessons_may_be_of_some_subjects_only_and_the_same_number_is_the_same_group():
    group, again = (Renderings(3, 7, ("cat", "fish"), 1.0)[2] for _ in range(2))
    assert {one.scene.subject for one in group} == {"cat", "fish"}
    assert [one.prompt for one in group] == [one.prompt for one in again]


def test_a_fault_while_rendering_is_not_waited_for():
    def broken(pictures):
        raise ZeroDivisionError

    made = Pool(broken, lambda prompts: None, lessons=16)
    with pytest.raises(ZeroDivisionError):
        made.wait(16)


def test_the_levels_are_those_of_the_scheduler_that_is_written():
    alpha, sigma = base.levels()
    theirs = EulerDiscreteScheduler(**architecture.SCHEDULE).alphas_cumprod
    assert torch.allclose(alpha**2, theirs, atol=1e-6)
    assert torch.allclose(alpha**2 + sigma**2, torch.ones(1000))


def test_the_foreseen_noise_is_read_as_the_engine_reads_it():
    pipe = architecture.pipeline(channels=3)
    learner = base.Learner(pipe).eval()
    prompts = ["a red house on snow at night", ""]
    tokens = pipe.tokenizer(prompts, padding="max_length", return_tensors="pt").input_ids
    ids = torch.tensor([[256, 256, 0, 0, 256, 256]] * 2)
    noisy, t = torch.randn(2, 3, 32, 32), torch.tensor([500, 500])
    with torch.inference_mode():
        ours = learner(noisy, t, tokens, ids)
        embeds, _, pooled, _ = pipe.encode_prompt(prompts, do_classifier_free_guidance=False)
        given = {"text_embeds": pooled, "time_ids": ids.float()}
        theirs = pipe.unet(noisy, 500, embeds, added_cond_kwargs=given).sample
    assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("seed", range(12))
def test_a_resized_latent_and_its_picture_belong_together(seed):
    # With cells that are mean colours, decoding what was resized must give the picture that was resized.
    cells = torch.randn(1, 3, 3, 3, generator=torch.Generator().manual_seed(seed)) * 0.3
    pixels = torch.nn.functional.interpolate(cells, (96, 96), mode="bicubic").clamp(-1, 1)
    latent, wanted = vae.resized(avg_pool2d(pixels, 8), pixels, np.random.RandomState(seed))
    assert wanted.shape[-2:] == tuple(8 * n for n in latent.shape[-2:])
    inner = slice(1, -1) if min(latent.shape[-2:]) > 4 else slice(None)
    apart = (avg_pool2d(wanted, 8) - latent)[..., inner, inner].abs().mean()
    assert apart < 0.06


def test_slopes_are_lost_by_blur_and_kept_by_the_truth():
    sharp = torch.rand(1, 3, 32, 32)
    soft = avg_pool2d(sharp, 3, 1, 1)
    assert vae.detail(sharp, sharp) == 0
    assert vae.detail(soft, sharp) > 0.5


def test_detail_is_faint_where_it_is_blurred_not_where_it_lies_elsewhere():
    rows, cols = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = ((rows + cols) % 2).float().expand(1, 3, -1, -1)
    assert sharpen.faint(1 - checks, checks) < 1e-6
    assert sharpen.faint(avg_pool2d(checks, 3, 1, 1), checks) > 0.5


def test_colours_are_told_by_latents_that_hold_them():
    pixels = torch.rand(4, 3, 96, 96) * 2 - 1
    colours = avg_pool2d(pixels, 8)
    without_green = torch.cat([colours[:, :1], colours[:, 2:], torch.randn(4, 2, 12, 12)], 1)
    assert sharpen.untold(1 - 2 * colours, pixels) < 0.02
    assert sharpen.untold(without_green, pixels) > 0.05


def test_sharpening_teaches_both_sides_and_knows_where_it_began():
    course = sharpen.Sharpening(train.POSTCARDS, torch.device("cpu"))
    total, parts = course.loss(torch.rand(2, 3, 96, 96) * 2 - 1, share=0.5)
    total.backward()
    assert parts["moved"] < 1e-6
    assert all(one.grad is not None for one in course.learner.parameters())
    assert all(one.grad is None for one in course.before.parameters())


def test_a_decoder_that_learns_alone_leaves_latents_as_they_are():
    course = sharpen.Decoding(train.POSTCARDS, torch.device("cpu"))
    total, parts = course.loss(torch.rand(2, 3, 96, 96) * 2 - 1, share=0.5)
    total.backward()
    assert set(parts) == {"levels", "slopes", "faint", "cast"}
    assert all(one.grad is not None for one in course.learner.decoder.parameters())
    assert all(one.grad is None for one in course.learner.encoder.parameters())


def test_a_pilots_picture_is_its_cells():
    latent = torch.zeros(1, 3, 32, 32)
    latent[..., 0, 0] = 2.0
    picture = pilot.shown(latent)
    assert picture.shape == (256, 256, 3)
    assert picture[:8, :8].min() == 255
    assert Image.fromarray(picture).getpixel((100, 100)) == (128, 128, 128)


def test_windows_of_the_rivals_cover_the_canvas():
    seen = np.zeros((40, 56))
    for rows, cols in plain_loop.windows(40, 56, 32, 16):
        seen[rows, cols] += 1
    assert seen.min() >= 1


def test_a_share_of_few_tries_is_told_with_what_it_is_worth():
    assert interval(0, 10)[0] == 0
    low, high = interval(9, 10)
    assert low == pytest.approx(0.596, abs=0.001)
    assert high == pytest.approx(0.982, abs=0.001)
    assert rate(9, 10) == "90% (60% to 98%)"


def test_stars_are_counted_one_by_one_and_lost_by_blur():
    one = replace(scene(3), sky="night", horizon=-0.4)
    sky = vae_quality.pixels_of(render(one, (256, 256)))
    found, asked = vae_quality.stars(sky, sky)
    assert found == asked
    assert 3 <= asked <= 40
    blurred = avg_pool2d(sky, 15, 1, 7)
    assert vae_quality.stars(sky, blurred)[0] < asked / 4


def test_a_figure_is_signed_with_the_weights_that_made_it():
    signed = refresh.signed(Image.new("RGB", (300, 20), "blue"), "0123abcd")
    assert signed.size == (300, 36)
    assert np.asarray(signed)[20:].min() < 60
