"""DemoFusion as its paper writes it (Du et al., CVPR 2024), in a plain loop apart from the engine.

Nothing is left out and nothing is added: every stage runs all steps, with shifted crops and dilated sampling in each.
Only the border differs from the published code: there crops are not shifted, where that pads the canvas with zeros.
"""

from itertools import product
from math import cos, pi

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from engine import Model
from engine.formulas.timesteps import timesteps
from engine.network.text import Text
from lab.models.architecture import alphas_and_sigmas

# The number of training steps T, the exponents of c1 and c2, and the deviations of the blur.
TRAINING_STEPS, ALPHA1, ALPHA2 = 1000, 3, 1
SIGMA1, SIGMA2 = 0.8, 0.008


class PlainDemoFusion:
    """A model with all that stays the same during a picture.

    size: the side of the final picture in px, a multiple of the native side.
    view_batch: the number of views in one call of the network.
    """

    def __init__(
        self, model: Model, prompt: str, size: int, steps: int, guidance: float, seed: int, view_batch: int
    ) -> None:
        self.model, self.steps, self.guidance, self.view_batch = model, steps, guidance, view_batch
        self.window, self.size = model.facts.window, size
        self.text: Text = model.encode_text(prompt, "", 2)
        self.alpha, self.sigma = (level.to(model.device) for level in alphas_and_sigmas())
        self.times = [int(t) for t in timesteps("ddim", model.facts.scheduler, steps)]
        self.random = np.random.RandomState(seed)

    @torch.inference_mode()
    def draw(self) -> Tensor:
        """Return the finished latent (1, C, h, w)."""
        last = self.size // (self.window * self.model.facts.cell)
        z = self._base(self._noise(self.window))
        mean, deviation = z.mean(), z.std()
        for scale in range(2, last + 1):
            side = scale * self.window
            z = self._stage(functional.interpolate(z, (side, side), mode="bicubic"), scale)
            z = (z - z.mean()) / z.std() * deviation + mean
        return z

    def _noise(self, side: int) -> Tensor:
        """Return noise for a canvas of so many cells."""
        values = self.random.standard_normal((1, self.model.facts.channels, side, side))
        return torch.tensor(values, dtype=torch.float32, device=self.model.device)

    def _base(self, z: Tensor) -> Tensor:
        """Return the base, drawn from noise."""
        for n, t in enumerate(self.times):
            z = self._ddim_step(z, self._guided([z], [(0, 0)], t)[0], n)
        return z

    def _stage(self, enlarged: Tensor, scale: int) -> Tensor:
        """Return a stage that starts from the enlarged latent of the stage below."""
        noise = self._noise(enlarged.shape[-1])
        z = self.alpha[self.times[0]] * enlarged + self.sigma[self.times[0]] * noise
        for n, t in enumerate(self.times):
            c = (1 + cos(pi * (TRAINING_STEPS - t) / TRAINING_STEPS)) / 2
            c1, c2, deviation = c**ALPHA1, c**ALPHA2, (SIGMA1 - SIGMA2) * c + SIGMA2
            z = (1 - c1) * z + c1 * (self.alpha[t] * enlarged + self.sigma[t] * noise)
            z = (1 - c2) * self._local(z, n) + c2 * self._dilated(z, n, scale, deviation)
        return z

    def _local(self, z: Tensor, n: int) -> Tensor:
        """Return the canvas after a step in overlapping crops, shifted anew at each step."""
        side, stride = z.shape[-1], self.window // 2
        shift = (self.window - stride) // 4
        starts = range(0, side - self.window + 1, stride)

        def shifted(start: int) -> int:
            is_at_border = start in (0, side - self.window)
            return start if is_at_border else start + self.random.randint(-shift, shift + 1)

        corners = [(shifted(top), shifted(left)) for top, left in product(starts, starts)]
        crops = [z[..., top : top + self.window, left : left + self.window] for top, left in corners]
        cell = self.model.facts.cell
        predictions = self._guided(crops, [(cell * top, cell * left) for top, left in corners], self.times[n])
        summed, count = torch.zeros_like(z), torch.zeros_like(z)
        for (top, left), crop, prediction in zip(corners, crops, predictions, strict=True):
            place = (..., slice(top, top + self.window), slice(left, left + self.window))
            summed[place] += self._ddim_step(crop, prediction, n)
            count[place] += 1
        return summed / count

    def _dilated(self, z: Tensor, n: int, scale: int, deviation: float) -> Tensor:
        """Return the canvas after a step in every s-th row and column, predicted from the blurred canvas."""
        places = [
            (..., slice(i, None, scale), slice(j, None, scale)) for i, j in product(range(scale), repeat=2)
        ]
        blurred = blur(z, 2 * scale - 1, deviation)
        predictions = self._guided(
            [blurred[place] for place in places], [(0, 0)] * len(places), self.times[n]
        )
        after = torch.empty_like(z)
        for place, prediction in zip(places, predictions, strict=True):
            after[place] = self._ddim_step(z[place], prediction, n)
        return after

    def _guided(self, views: list[Tensor], corners: list[tuple[int, int]], t: int) -> list[Tensor]:
        """Return the prediction of each view (1, C, h, w), with classifier-free guidance."""
        predictions: list[Tensor] = []
        for first in range(0, len(views), self.view_batch):
            latents = torch.cat(views[first : first + self.view_batch])
            ids = [
                (self.size, self.size, *corner, self.size, self.size)
                for corner in corners[first:][: len(latents)]
            ]
            time_ids = torch.tensor(ids, device=latents.device).repeat(2, 1)
            made = self.model.predict(latents.repeat(2, 1, 1, 1), t, self.text, time_ids).float()
            unconditional, conditional = made.chunk(2)
            predictions += (unconditional + self.guidance * (conditional - unconditional)).split(1)
        return predictions

    def _ddim_step(self, z: Tensor, eps: Tensor, n: int) -> Tensor:
        """Return a view after one step of DDIM."""
        t, after = self.times[n], self.times[n + 1] if n + 1 < len(self.times) else 0
        x0 = (z - self.sigma[t] * eps) / self.alpha[t]
        return self.alpha[after] * x0 + self.sigma[after] * eps


def blur(z: Tensor, size: int, deviation: float) -> Tensor:
    """Return the canvas, blurred by a Gaussian of `size` cells and brought back to its mean and deviation."""
    x = torch.arange(size, device=z.device) - size // 2
    line = torch.exp(-0.5 * (x / deviation) ** 2)
    kernel = torch.outer(line, line) / line.sum() ** 2
    channels = z.shape[1]
    smooth = functional.conv2d(
        z, kernel.to(z.dtype).expand(channels, 1, size, size), padding=size // 2, groups=channels
    )
    return (smooth - smooth.mean()) / smooth.std() * z.std() + z.mean()
