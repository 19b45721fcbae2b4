"""Trains the base: UNet and both text encoders together learn to predict the noise in lessons' latents."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from lab.models import architecture
from lab.training.course import COOLING, mixed_precision
from lab.training.pool import Batch, LessonPool
from lab.world.scenery import GROUNDS, SKIES
from lab.world.subjects import SUBJECTS

# Min-SNR weighting: the signal-to-noise ratio above which a noise level gets no more weight.
MIN_SNR = 5.0
# The least weight of the squared error of the clean latent: without it the noisiest levels, which decide the colours of
# large areas, would weigh ten times less.
LEAST_WEIGHT = 0.05
# Share of lessons whose noise is such that the noisiest level is pure noise, from which drawing starts.
PURE_START_SHARE = 0.5
# First share of the training time, in which latents are halved in size, where a batch costs a quarter.
HALF_SIZE_SHARE = 0.6
PREVIEW_PROMPTS = (
    "a red house on snow at night",
    "a blue boat on water at day",
    "a green tree on grass at day",
    "a white rocket on sand at sunset",
    "a yellow flower on cobblestones at dawn",
    "an orange balloon on grass at day",
    "a pink tree on snow at twilight",
    "a purple house on autumn leaves at noon",
)


class Learner(nn.Module):
    """The modules that the base's course trains together: the UNet and both text encoders."""

    def __init__(self, pipe: StableDiffusionXLPipeline) -> None:
        super().__init__()
        self.unet, self.first, self.second = pipe.unet, pipe.text_encoder, pipe.text_encoder_2
        self.float().requires_grad_(True).train()

    def conditioning(self, tokens: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return prompt embeddings and added conditions, computed exactly as the engine computes them."""
        outputs = [encoder(tokens, output_hidden_states=True) for encoder in (self.first, self.second)]
        hidden = torch.cat([out.hidden_states[-2] for out in outputs], -1)
        return hidden, {"text_embeds": outputs[1][0], "time_ids": ids.float()}

    def forward(self, noisy: Tensor, t: Tensor, tokens: Tensor, ids: Tensor) -> Tensor:
        """Predict the noise in noisy latents at training times t."""
        hidden, added = self.conditioning(tokens, ids)
        return self.unet(noisy, t, hidden, added_cond_kwargs=added).sample


class BaseCourse:
    """The course of the base; it needs a folder with a trained VAE."""

    rate = 5e-4
    cooling = COOLING
    # First share of the training time, in which latents are halved in size.
    small_first = HALF_SIZE_SHARE
    # If not empty, only lessons of these subjects.
    subjects: tuple[str, ...] = ()
    # Share of lessons of the square bucket.
    squares = 0.7
    # Steps and guidance of the previews.
    preview_steps, preview_guidance = 20, 4.0

    def __init__(
        self,
        source: Path | None,
        device: torch.device,
        lessons: int = 40_000,
        batch: int = 64,
        small: float | None = None,
        seed: int = 0,
        rate: float | None = None,
        cooling: float | None = None,
        focus: Sequence[str] = (),
    ) -> None:
        """Load the pipeline to train.

        source: the pipeline folder to continue from. lessons: how many different lessons to render.
        batch: lessons in a batch. small: first share of the time with latents of half the size.
        seed: chooses the lessons. rate: the full learning rate. cooling: the last share of the time, in which it falls.
        focus: subjects, grounds and skies that half of the lessons show.
        """
        self.focus = tuple(focus)
        if unknown := set(self.focus) - (SUBJECTS.keys() | GROUNDS.keys() | SKIES.keys()):
            raise SystemExit(f"--focus: no subject, ground or sky is called {', '.join(unknown)}")
        if rate is not None:
            self.rate = rate
        if cooling is not None:
            self.cooling = cooling
        self.device, self.lessons, self.batch_size, self.seed = device, lessons, batch, seed
        if small is not None:
            self.small_first = small
        self.pipe = self.load_pipeline(source)
        self.learner = Learner(self.pipe).to(device)
        self.alpha, self.sigma = (level.to(device) for level in architecture.alphas_and_sigmas())

    def load_pipeline(self, source: Path | None) -> StableDiffusionXLPipeline:
        """Load the pipeline to continue from, its VAE frozen."""
        if source is None:
            raise SystemExit("--from: the base needs a folder with a trained VAE")
        pipe = StableDiffusionXLPipeline.from_pretrained(source, use_safetensors=True).to(torch.float32)
        pipe.vae.to(self.device).requires_grad_(False)
        return pipe

    def batches(self, first: int) -> Iterator[Batch]:
        """Yield batches of lessons, beginning with the batch of number `first`."""
        # Beside a GPU the cores can go on rendering during training; on a CPU all lessons are rendered first.
        on_cpu = self.device.type == "cpu"
        pool = LessonPool(
            self.encode,
            self.tokenize,
            lessons=self.lessons,
            seed=self.seed * 1_000_003 + first,
            subjects=self.subjects,
            squares=self.squares,
            focus=self.focus,
            extras=self.extras,
            device=self.device,
        )
        pool.wait(self.lessons if on_cpu else min(self.lessons, 4096))
        return pool.batches(self.batch_size, first)

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """Encode pictures in bytes (N, rows, cols, 3) to latents as the UNet sees them."""
        with mixed_precision(self.device):
            pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
            latents = self.pipe.vae.encode(pixels).latents
        return latents.float() * self.pipe.vae.config.scaling_factor

    def extras(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """Return what a batch holds of its pictures beside the latents: here nothing."""
        return ()

    def tokenize(self, prompts: list[str]) -> Tensor:
        """Return the tokens of prompts (N, tokens), padded."""
        padded = self.pipe.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
        return padded.input_ids

    def predict_noise(self, noisy: Tensor, t: Tensor, batch: Batch, small: bool) -> Tensor:
        """Predict the noise in a batch's noisy latents; small: whether they are halved in size."""
        return self.learner(noisy, t, batch.tokens, batch.ids)

    def draw_noise(self, x0: Tensor) -> Tensor:
        """Draw the noise for a batch of latents; for PURE_START_SHARE of them, noise that ends in pure noise.

        The schedule's noisiest level still holds 7 % of the latent, in which the mean colours of large areas can be
        seen. A network that learns only this takes the pure noise that drawing starts from for a latent of average
        colours, and draws pale skies too dark. Therefore the noise e of some lessons is chosen so that their noisiest
        level, alpha x0 + sigma e, is independent of x0. The same e is added at the other levels, as a solver does.
        """
        noise = torch.randn_like(x0)
        pure = (noise - self.alpha[-1] * x0) / self.sigma[-1]
        is_pure = torch.rand(len(x0), device=x0.device) < PURE_START_SHARE
        return torch.where(is_pure[:, None, None, None], pure, noise)

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, dict[str, float]]:
        """Return the noise prediction's squared error, with min-SNR weights, and numbers for the log."""
        small = share < self.small_first
        x0 = avg_pool2d(batch.latents.float(), 2) if small else batch.latents.float()
        t = torch.randint(0, len(self.alpha), (len(x0),), device=self.device)
        noise = self.draw_noise(x0)
        alpha, sigma = (level[t][:, None, None, None] for level in (self.alpha, self.sigma))
        with mixed_precision(self.device):
            predicted = self.predict_noise(alpha * x0 + sigma * noise, t, batch, small)
        return weighted_error(predicted, noise, alpha / sigma, small)

    def grid(self, learned: nn.Module) -> Image.Image:
        """Draw the eight preview prompts, always from the same noise and with a native picture's size ids."""
        latents = sample_latents(
            learned,
            self.tokenize(list(PREVIEW_PROMPTS)).to(self.device),
            self.channels,
            self.device,
            steps=self.preview_steps,
            guidance=self.preview_guidance,
        )
        pictures = self.decode(latents)
        rows = [np.concatenate(list(pictures[k : k + 4]), 1) for k in (0, 4)]
        return Image.fromarray(np.concatenate(rows, 0))

    @property
    def channels(self) -> int:
        """Channels of a latent."""
        return self.pipe.unet.config.in_channels

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> np.ndarray:
        """Decode latents to pictures in bytes (N, rows, cols, 3)."""
        pixels = self.pipe.vae.decode(latents / self.pipe.vae.config.scaling_factor).sample
        return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    def write(self, learned: nn.Module, folder: Path) -> None:
        """Write the pipeline with the averaged UNet and text encoders."""
        architecture.write_pipeline(
            self.pipe,
            folder,
            unet=learned.unet,
            text_encoder=learned.first,
            text_encoder_2=learned.second,
        )


def empty_prompts(tokens: Tensor) -> Tensor:
    """Return the tokens of the same number of empty prompts."""
    empty = tokens.clone()
    empty[:, 1:] = architecture.new_tokenizer().eos_token_id
    return empty


def weighted_error(
    predicted: Tensor, target: Tensor, ratio: Tensor, small: bool
) -> tuple[Tensor, dict[str, float]]:
    """Return the squared error of predicted noise, with min-SNR weights, and numbers for the log.

    ratio: alpha over sigma of each lesson. small: whether the latents are halved in size.
    """
    errors = (predicted.float() - target).square().mean((1, 2, 3))
    snr = ratio.square().flatten()
    weighted = (errors * snr.clamp(LEAST_WEIGHT, MIN_SNR) / snr).mean()
    return weighted, {"loss": weighted.item(), "error": errors.mean().item(), "small": float(small)}


def guided_noise(
    network: Callable[..., Tensor], z: Tensor, t: Tensor, tokens: Tensor, ids: Tensor, guidance: float
) -> Tensor:
    """Return the noise that a network predicts with classifier-free guidance; guidance 1 needs the prompts alone.

    network: predicts the noise from noisy latents, times (N,), tokens and size ids (N, 6).
    """
    if guidance == 1:
        return network(z, t, tokens, ids).float()
    pairs = (
        torch.cat([z, z]),
        torch.cat([t, t]),
        torch.cat([empty_prompts(tokens), tokens]),
        torch.cat([ids, ids]),
    )
    unconditional, conditional = network(*pairs).float().chunk(2)
    return unconditional + guidance * (conditional - unconditional)


@torch.inference_mode()
def sample_latents(
    learned: Callable[..., Tensor],
    tokens: Tensor,
    channels: int,
    device: torch.device,
    side: int = 32,
    steps: int = BaseCourse.preview_steps,
    guidance: float = BaseCourse.preview_guidance,
) -> Tensor:
    """Sample latents for previews with a few DDIM steps.

    learned: predicts the noise from noisy latents, times, tokens and size ids.
    """
    alphas, sigmas = architecture.alphas_and_sigmas()
    ids = torch.tensor([[256, 256, 0, 0, 256, 256]], device=device).expand(len(tokens), -1)
    start = np.random.RandomState(0).standard_normal((len(tokens), channels, side, side))
    z = torch.tensor(start, dtype=torch.float32, device=device)
    times = [round(999 - k * 999 / steps) for k in range(steps)]
    for t, after in zip(times, [*times[1:], None], strict=True):
        with mixed_precision(device):
            eps = guided_noise(learned, z, torch.full((len(z),), t, device=device), tokens, ids, guidance)
        x0 = (z - sigmas[t] * eps) / alphas[t]
        z = x0 if after is None else alphas[after] * x0 + sigmas[after] * eps
    return z
