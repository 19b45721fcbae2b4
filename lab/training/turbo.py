"""Trains Postcards Turbo: the base with few steps and without a pass of the empty prompt, as a LoRA.

The weights of the base stay; each layer of the UNet learns a correction of low rank. At first it learns guidance: what
the base predicts with the prompt and without, weighted as guidance weights them (Meng et al., "On Distillation of
Guided Diffusion Models"). Then it learns steps: one step of DDIM has to arrive where the guided base arrives with two
evaluations (Salimans and Ho, "Progressive Distillation"), at the times of the few steps and between them.
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d
from torch.nn.utils import parametrize

from lab.training.base import BaseCourse, guided_noise, weighted_error
from lab.training.course import mixed_precision
from lab.training.pool import Batch

# The steps that it is trained for, and the guidance that it learns.
STEPS, GUIDANCE = 8, 3.0
# First share of the training time, in which it learns guidance only.
GUIDANCE_SHARE = 0.45
# Rank of the correction of each layer.
RANK = 16
# The last training time.
NOISIEST = 999
# The file of the LoRA.
LORA_FILE = "postcards-turbo.safetensors"


class LowRank(nn.Module):
    """Adds a correction of low rank to a layer's weight."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        outputs, inputs = weight.shape[0], weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, inputs) / inputs**0.5)
        self.up = nn.Parameter(torch.zeros(outputs, RANK))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the corrected weight."""
        return weight + (self.up @ self.down).view_as(weight)


class Levels(NamedTuple):
    """A noise level of each lesson of a batch: the latent's share alpha and the noise's sigma, each (N, 1, 1, 1)."""

    alpha: Tensor
    sigma: Tensor


class TurboCourse(BaseCourse):
    """The course of Postcards Turbo; it needs the folder of Postcards."""

    rate = 1e-3
    small_first = 2 / 3 * GUIDANCE_SHARE
    preview_steps, preview_guidance = STEPS, 1.0

    def __init__(
        self, source: Path | None, device: torch.device, lessons: int = 12_000, batch: int = 32, seed: int = 0
    ) -> None:
        """Load the base, and the LoRA beside its folder if there is one, from which the training then continues."""
        super().__init__(source, device, lessons=lessons, batch=batch, seed=seed)
        self.learner.requires_grad_(False).eval()
        self.base = copy.deepcopy(self.learner)
        for layer in corrected_layers(self.learner.unet).values():
            correction = LowRank(layer.weight).to(device)
            parametrize.register_parametrization(layer, "weight", correction)
        lora = Path(source or "").with_name(LORA_FILE)
        if lora.is_file():
            load_corrections(self.learner.unet, load_file(lora))

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the squared error to what the guided base predicts, or to where its two evaluations arrive."""
        learns_guidance, small = share < GUIDANCE_SHARE, share < self.small_first
        x0 = avg_pool2d(batch.latents.float(), 2) if small else batch.latents.float()
        t, after = self.draw_times(len(x0))
        start = self.levels(t)
        noisy = start.alpha * x0 + start.sigma * self.draw_noise(x0)
        with torch.no_grad():
            guided = self.guided_noise(noisy, t, batch)
            target = guided if learns_guidance else self.target_of_step(noisy, guided, t, after, batch)
        with mixed_precision(self.device):
            predicted = self.learner(noisy, t, batch.tokens, batch.ids)
        return weighted_error(predicted, target, start.alpha / start.sigma, small)

    def draw_times(self, count: int) -> tuple[Tensor, Tensor]:
        """Draw the training times where steps begin and end, from pure noise to 0, a step's width apart.

        Half of the steps are those of drawing in STEPS steps; the others begin anywhere between.
        """
        width = (NOISIEST + 1) / STEPS
        place = torch.rand(count, device=self.device) * (STEPS - 1)
        place = torch.where(torch.rand(count, device=self.device) < 0.5, place.round(), place)
        t = (NOISIEST - place * width).round().long()
        return t, (t - round(width)).clamp(min=-1)

    def levels(self, t: Tensor) -> Levels:
        """Return the noise levels at training times (N,); at -1 there is no noise."""
        alpha = torch.where(t < 0, 1.0, self.alpha[t])
        sigma = torch.where(t < 0, 0.0, self.sigma[t])
        return Levels(alpha[:, None, None, None], sigma[:, None, None, None])

    def guided_noise(self, noisy: Tensor, t: Tensor, batch: Batch) -> Tensor:
        """Return the noise that the base predicts with guidance."""
        with mixed_precision(self.device):
            return guided_noise(self.base, noisy, t, batch.tokens, batch.ids, GUIDANCE)

    def target_of_step(self, noisy: Tensor, guided: Tensor, t: Tensor, after: Tensor, batch: Batch) -> Tensor:
        """Return the noise with which one step of DDIM arrives where the guided base arrives with two evaluations.

        The second evaluation is at the middle of the step, and the whole step is taken with the clean latent that
        it predicts (the midpoint method).
        """
        start, end = self.levels(t), self.levels(after)
        between = ((t + after) / 2).round().long()
        middle = self.levels(between)
        halfway = ddim_step(noisy, guided, start, middle)
        second = self.guided_noise(halfway, between, batch)
        clean = (halfway - middle.sigma * second) / middle.alpha
        arrived = end.alpha * clean + end.sigma * (noisy - start.alpha * clean) / start.sigma
        ratio = start.alpha / end.alpha
        return (noisy - ratio * arrived) / (start.sigma - ratio * end.sigma)

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Write the averaged corrections as a LoRA file in the format of PEFT."""
        folder.mkdir(parents=True, exist_ok=True)
        tensors = {}
        for name, layer in corrected_layers(learned.unet).items():
            correction, shape = layer.parametrizations["weight"][0], layer.weight.shape
            tail = (1, 1) if len(shape) == 4 else ()
            tensors[f"unet.{name}.lora_A.weight"] = correction.down.view(RANK, *shape[1:])
            tensors[f"unet.{name}.lora_B.weight"] = correction.up.view(shape[0], RANK, *tail)
        halves = {name: tensor.detach().cpu().half().contiguous() for name, tensor in tensors.items()}
        save_file(halves, folder / LORA_FILE, metadata={"format": "pt"})


def corrected_layers(unet: nn.Module) -> dict[str, nn.Module]:
    """Return the layers that learn a correction, by name: all that multiply with a weight."""
    return {name: layer for name, layer in unet.named_modules() if isinstance(layer, nn.Linear | nn.Conv2d)}


@torch.no_grad()
def load_corrections(unet: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Set the corrections of a UNet to those of a LoRA file."""
    for name, layer in corrected_layers(unet).items():
        correction = layer.parametrizations["weight"][0]
        for part, letter in ((correction.down, "A"), (correction.up, "B")):
            part.copy_(tensors[f"unet.{name}.lora_{letter}.weight"].view_as(part))


def ddim_step(z: Tensor, eps: Tensor, start: Levels, end: Levels) -> Tensor:
    """Return a latent after a step of DDIM with the predicted noise."""
    return end.alpha * (z - start.sigma * eps) / start.alpha + end.sigma * eps
