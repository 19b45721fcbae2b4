"""The courses that train a trained VAE further."""

import torch
from torch.nn.functional import avg_pool2d

from engine.paths import ASSETS
from lab.training import sharpen

POSTCARDS = ASSETS / "postcards"


def test_blur_costs_strength_and_a_shift_does_not():
    rows, cols = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    checks = ((rows + cols) % 2).float().expand(1, 3, -1, -1)
    assert sharpen.strength_loss(1 - checks, checks) < 1e-6
    assert sharpen.strength_loss(avg_pool2d(checks, 3, 1, 1), checks) > 0.5


def test_latents_that_hold_the_colours_leave_no_residual():
    pixels = torch.rand(4, 3, 96, 96) * 2 - 1
    colours = avg_pool2d(pixels, 8)
    without_green = torch.cat([colours[:, :1], colours[:, 2:], torch.randn(4, 2, 12, 12)], 1)
    assert sharpen.colour_residual(1 - 2 * colours, pixels) < 0.02
    assert sharpen.colour_residual(without_green, pixels) > 0.05


def test_sharpening_trains_encoder_and_decoder_but_not_the_old_encoder():
    course = sharpen.SharpenCourse(POSTCARDS, torch.device("cpu"))
    total, parts = course.loss(torch.rand(2, 3, 96, 96) * 2 - 1, share=0.5)
    total.backward()
    assert parts["moved"] < 1e-6
    assert all(one.grad is not None for one in course.learner.parameters())
    assert all(one.grad is None for one in course.old_encoder.parameters())


def test_the_decoder_course_does_not_train_the_encoder():
    course = sharpen.DecoderCourse(POSTCARDS, torch.device("cpu"))
    total, parts = course.loss(torch.rand(2, 3, 96, 96) * 2 - 1, share=0.5)
    total.backward()
    assert set(parts) == {"levels", "slopes", "strength", "tone"}
    assert all(one.grad is not None for one in course.learner.decoder.parameters())
    assert all(one.grad is None for one in course.learner.encoder.parameters())
