"""Relay Diffusion in pixels, as its paper has it: two stages that are trained on Postcards' world."""

from lab.relay.edm import denoised, levels, sample_edm
from lab.relay.second_stage import corrupted, loss, sample

__all__ = ["corrupted", "denoised", "levels", "loss", "sample", "sample_edm"]
