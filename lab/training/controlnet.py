"""Teaching the base to follow edges: a ControlNet beside it learns, the base stays as it is."""

import logging
from pathlib import Path

import cv2
import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionXLPipeline
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lab.measure.vae_quality import unseen
from lab.training.base import Base, Learner, sample
from lab.training.pool import Batch
from lab.world.lessons import EMPTY, NATIVE
from lab.world.paint import Array
from lab.world.scenes import phrases, render

log = logging.getLogger("lab.training.train")

FOLDER, FILE = "controlnet", "diffusion_pytorch_model.safetensors"
EMBEDDING = (8, 16, 32, 64)
"""Channels of the map from the picture's size to the latent's, few where it is large."""
LOW = (50.0, 150.0)
"""Canny's lower threshold, drawn anew for every lesson; the upper one is twice it."""
DEFAULT = (100.0, 200.0)
"""The thresholds that a person meets first."""
BLANK = 0.1
"""Share of the lessons whose map is empty, so that an empty map leaves the base alone."""
WORDLESS = 0.3
"""Share of the lessons without a prompt: lines are followed whatever the words say."""


def edges(picture: Array, low: float, high: float) -> Array:
    """Canny's lines of a picture in bytes (rows, cols, 3): True where one runs."""
    return cv2.Canny(np.ascontiguousarray(picture), low, high, apertureSize=3, L2gradient=False) > 0


def halved(picture: Array) -> Array:
    """The picture at half its side, by area."""
    rows, cols = picture.shape[:2]
    return cv2.resize(picture, (cols // 2, rows // 2), interpolation=cv2.INTER_AREA)


def packed(lines: list[Array]) -> Tensor:
    """Eight px a byte: (N, rows, cols / 8)."""
    return torch.from_numpy(np.packbits(np.stack(lines), axis=-1))


def maps(bits: Tensor) -> Tensor:
    """What was packed, as a ControlNet reads it: (N, 3, rows, cols), white lines on black, 0 to 1."""
    places = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    lines = (bits[..., None] >> places & 1).flatten(-2).float()
    return lines[:, None].expand(-1, 3, -1, -1)


def beside(drawn: Array, led: Array, plain: Array) -> Image.Image:
    """Edges, what followed them and what did not, all (N, rows, cols, 3), two triples a row if N is even."""
    triples, across = np.concatenate([drawn, led, plain], 2), 2 - len(drawn) % 2
    rows = [np.concatenate(list(triples[k : k + across]), 1) for k in range(0, len(triples), across)]
    return Image.fromarray(np.concatenate(rows, 0))


def untaught(unet: nn.Module) -> ControlNetModel:
    """A ControlNet that starts from the base's encoder and as yet changes nothing.

    What it adds goes through convolutions that are zero. The map's own last one need not be zero too: with it
    so, lines would be seen only once the others have moved.
    """
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING)
    nn.init.kaiming_normal_(control.controlnet_cond_embedding.conv_out.weight, nonlinearity="linear")
    return control


def gone_on_with(control: ControlNetModel, folder: Path | None) -> bool:
    """Takes up the weights of a folder, if it has some that fit."""
    file = folder and folder / FOLDER / FILE
    if not file or not file.is_file():
        return False
    try:
        control.load_state_dict(load_file(file))
    except (RuntimeError, SafetensorError) as fault:
        log.info("%s does not fit, so it begins anew: %s", file, str(fault).splitlines()[0])
        return False
    return True


class Led(nn.Module):
    """A frozen base and the ControlNet that leads it."""

    def __init__(self, base: Learner, control: nn.Module) -> None:
        super().__init__()
        self.base, self.control = base, control

    def forward(self, noisy: Tensor, t: Tensor, tokens: Tensor, ids: Tensor, lines: Tensor) -> Tensor:
        """The noise foreseen. Nothing before the first place that is led asks for gradients."""
        with torch.no_grad():
            hidden, given = self.base.told(tokens, ids)
        down, mid = self.control(
            noisy, t, hidden, controlnet_cond=lines, added_cond_kwargs=given, return_dict=False
        )
        return self.base.unet(
            noisy,
            t,
            hidden,
            added_cond_kwargs=given,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
        ).sample


class Control(Base):
    """The base's course again, on the same kinds of lessons; only the ControlNet learns."""

    rate = 1e-3

    def __init__(
        self,
        source: Path | None,
        device: torch.device,
        lessons: int = 8_000,
        batch: int = 32,
        small: float | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(source, device, lessons, batch, small, seed)
        self.frozen = self.learner.requires_grad_(False).eval()
        self.learner = untaught(self.pipe.unet).to(device).train()
        if gone_on_with(self.learner, source):
            log.info("goes on from the ControlNet of %s", source)
        self.led = Led(self.frozen, self.learner)
        self.silence = self.read([""]).to(device)
        self.draw = np.random.RandomState(0)
        self.plain: Array | None = None

    def begin(self, source: Path | None) -> StableDiffusionXLPipeline:
        if source is None:
            raise SystemExit("--from: a ControlNet needs a folder with a trained base")
        return super().begin(source)

    def keep(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Lines of the pictures and of their halves, packed; each lesson has its own thresholds."""
        shown, lows = list(pictures.numpy()), self.draw.uniform(*LOW, len(pictures))
        return tuple(
            packed([edges(of(one), low, 2 * low) for one, low in zip(shown, lows, strict=True)])
            for of in (np.asarray, halved)
        )

    def foresee(self, noisy: Tensor, t: Tensor, batch: Batch, small: bool) -> Tensor:
        lines = maps(batch.kept[small])
        blank, wordless = torch.rand(2, len(noisy), device=self.device)
        lines = lines * (blank >= BLANK)[:, None, None, None]
        # Some lessons come without words already.
        dropped = wordless < (WORDLESS - EMPTY) / (1 - EMPTY)
        tokens = torch.where(dropped[:, None], self.silence, batch.tokens)
        return self.led(noisy, t, tokens, batch.ids, lines)

    def grid(self, learned: nn.Module) -> Image.Image:
        """Eight held-out prompts from the same noise each time: edges, with control, without."""
        scenes = unseen(8)
        tokens = self.read([phrases(one)[0] for one in scenes]).to(self.device)
        asked = packed([edges(render(one, (NATIVE, NATIVE)), *DEFAULT) for one in scenes])
        lines = maps(asked).to(self.device)
        led = Led(self.frozen, learned)

        def followed(*given: Tensor) -> Tensor:
            return led(*given, lines.repeat(2, 1, 1, 1))

        if self.plain is None:
            self.plain = self.decode(sample(self.frozen, tokens, self.channels, self.device))
        made = self.decode(sample(followed, tokens, self.channels, self.device))
        drawn = (255 * lines).byte().permute(0, 2, 3, 1).cpu().numpy()
        return beside(drawn, made, self.plain)

    def write(self, learned: nn.Module, folder: Path) -> None:
        half = untaught(self.pipe.unet)
        half.load_state_dict(learned.state_dict())
        half.to(torch.float16).save_pretrained(folder / FOLDER)
