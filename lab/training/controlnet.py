"""Trains a ControlNet that makes the base follow edges; the base itself is not changed."""

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

from lab.training.base import BaseCourse, Learner, sample_latents
from lab.training.pool import Batch
from lab.world import lessons
from lab.world.lessons import NATIVE_SIDE
from lab.world.paint import Array
from lab.world.scenes import held_out_scenes, phrases, render

log = logging.getLogger("lab.training.train")

# Where the ControlNet lies in the pipeline folder.
FOLDER, FILE = "controlnet", "diffusion_pytorch_model.safetensors"
# Channels of the layers that bring the edge map from the picture's size to the latent's.
EMBEDDING_WIDTHS = (8, 16, 32, 64)
# Range of Canny's lower threshold, which is drawn for every lesson; the upper threshold is twice as high.
LOW_THRESHOLDS = (50.0, 150.0)
# The engine's default thresholds.
DEFAULT_THRESHOLDS = (100.0, 200.0)
# Share of the lessons whose edge map is emptied, so that an empty map leaves the base's pictures unchanged.
EMPTY_MAP_SHARE = 0.1
# Share of the lessons without a prompt, so that edges alone decide where things are.
EMPTY_PROMPT_SHARE = 0.3


def canny_edges(picture: Array, low: float, high: float) -> Array:
    """Return Canny's edges (rows, cols) of a picture in bytes (rows, cols, 3), True on an edge."""
    return cv2.Canny(np.ascontiguousarray(picture), low, high, apertureSize=3, L2gradient=False) > 0


def halve(picture: Array) -> Array:
    """Return the picture at half its side, each pixel the mean of four."""
    rows, cols = picture.shape[:2]
    return cv2.resize(picture, (cols // 2, rows // 2), interpolation=cv2.INTER_AREA)


def pack_bits(lines: list[Array]) -> Tensor:
    """Pack edge maps into bytes of eight px each: (N, rows, cols / 8)."""
    return torch.from_numpy(np.packbits(np.stack(lines), axis=-1))


def unpack_maps(bits: Tensor) -> Tensor:
    """Unpack edge maps to the ControlNet's input (N, 3, rows, cols): white lines (1) on black (0)."""
    shifts = torch.arange(7, -1, -1, dtype=torch.uint8, device=bits.device)
    lines = (bits[..., None] >> shifts & 1).flatten(-2).float()
    return lines[:, None].expand(-1, 3, -1, -1)


def comparison_grid(edge_maps: Array, controlled: Array, plain: Array) -> Image.Image:
    """Show edge maps beside the pictures drawn with and without them, all (N, rows, cols, 3).

    A row holds two triples if N is even, otherwise one.
    """
    triples, across = np.concatenate([edge_maps, controlled, plain], 2), 2 - len(edge_maps) % 2
    rows = [np.concatenate(list(triples[k : k + across]), 1) for k in range(0, len(triples), across)]
    return Image.fromarray(np.concatenate(rows, 0))


def new_controlnet(unet: nn.Module) -> ControlNetModel:
    """Return an untrained ControlNet: a copy of the base's encoder whose outputs are zero.

    diffusers also makes the edge map's last convolution zero. That is not needed for zero outputs, and would
    hide the map until the output convolutions have changed, so it gets random weights.
    """
    control = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=EMBEDDING_WIDTHS)
    nn.init.kaiming_normal_(control.controlnet_cond_embedding.conv_out.weight, nonlinearity="linear")
    return control


def load_saved(control: ControlNetModel, folder: Path | None) -> bool:
    """Load the weights of a pipeline folder, if it holds a ControlNet that fits; return whether it does."""
    file = folder and folder / FOLDER / FILE
    if not file or not file.is_file():
        return False
    try:
        control.load_state_dict(load_file(file))
    except (RuntimeError, SafetensorError) as error:
        log.info("%s does not fit, so the ControlNet begins untrained: %s", file, str(error).splitlines()[0])
        return False
    return True


class ControlledBase(nn.Module):
    """The frozen base with a ControlNet beside it."""

    def __init__(self, base: Learner, control: nn.Module) -> None:
        super().__init__()
        self.base, self.control = base, control

    def forward(self, noisy: Tensor, t: Tensor, tokens: Tensor, ids: Tensor, lines: Tensor) -> Tensor:
        """Predict the noise under edge maps; only the ControlNet gets gradients."""
        with torch.no_grad():
            hidden, added = self.base.conditioning(tokens, ids)
        down, mid = self.control(
            noisy, t, hidden, controlnet_cond=lines, added_cond_kwargs=added, return_dict=False
        )
        return self.base.unet(
            noisy,
            t,
            hidden,
            added_cond_kwargs=added,
            down_block_additional_residuals=down,
            mid_block_additional_residual=mid,
        ).sample


class ControlNetCourse(BaseCourse):
    """The base's course on the same kinds of lessons, where only the ControlNet is trained."""

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
        self.learner = new_controlnet(self.pipe.unet).to(device).train()
        if load_saved(self.learner, source):
            log.info("continues from the ControlNet of %s", source)
        self.controlled = ControlledBase(self.frozen, self.learner)
        self.empty_prompt = self.tokenize([""]).to(device)
        self.draw = np.random.RandomState(0)
        # The preview's pictures without control, which never change.
        self.plain: Array | None = None

    def load_pipeline(self, source: Path | None) -> StableDiffusionXLPipeline:
        """Load the pipeline with the trained base."""
        if source is None:
            raise SystemExit("--from: a ControlNet needs a folder with a trained base")
        return super().load_pipeline(source)

    def extras(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return packed edge maps of the pictures at full and at half size; thresholds differ by lesson."""
        full, lows = list(pictures.numpy()), self.draw.uniform(*LOW_THRESHOLDS, len(pictures))
        half = [halve(picture) for picture in full]
        return tuple(
            pack_bits([canny_edges(one, low, 2 * low) for one, low in zip(sized, lows, strict=True)])
            for sized in (full, half)
        )

    def predict_noise(self, noisy: Tensor, t: Tensor, batch: Batch, small: bool) -> Tensor:
        """Predict the noise in a batch under its edge maps; some maps and prompts are emptied."""
        lines = unpack_maps(batch.extras[small])
        map_chance, prompt_chance = torch.rand(2, len(noisy), device=self.device)
        lines = lines * (map_chance >= EMPTY_MAP_SHARE)[:, None, None, None]
        # Some lessons have an empty prompt already, so that fewer are emptied here.
        already = lessons.EMPTY_PROMPT_SHARE
        is_dropped = prompt_chance < (EMPTY_PROMPT_SHARE - already) / (1 - already)
        tokens = torch.where(is_dropped[:, None], self.empty_prompt, batch.tokens)
        return self.controlled(noisy, t, tokens, batch.ids, lines)

    def grid(self, learned: nn.Module) -> Image.Image:
        """Draw eight held-out prompts from always the same noise: edges, with control, without."""
        scenes = held_out_scenes(8)
        tokens = self.tokenize([phrases(one)[0] for one in scenes]).to(self.device)
        packed = pack_bits(
            [canny_edges(render(one, (NATIVE_SIDE, NATIVE_SIDE)), *DEFAULT_THRESHOLDS) for one in scenes]
        )
        lines = unpack_maps(packed).to(self.device)
        controlled = ControlledBase(self.frozen, learned)

        def predict(*inputs: Tensor) -> Tensor:
            return controlled(*inputs, lines.repeat(2, 1, 1, 1))

        if self.plain is None:
            self.plain = self.decode(sample_latents(self.frozen, tokens, self.channels, self.device))
        made = self.decode(sample_latents(predict, tokens, self.channels, self.device))
        edge_maps = (255 * lines).byte().permute(0, 2, 3, 1).cpu().numpy()
        return comparison_grid(edge_maps, made, self.plain)

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Write the averaged ControlNet as float16 into its folder beside the pipeline's parts."""
        half = new_controlnet(self.pipe.unet)
        half.load_state_dict(learned.state_dict())
        half.to(torch.float16).save_pretrained(folder / FOLDER)
