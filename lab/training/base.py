"""Teaching the base: UNet and both text encoders together, to foresee the noise in lessons' latents."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from lab.models import architecture
from lab.training.pool import Batch, Pool
from lab.training.train import COOLING, half

MIN_SNR = 5.0
SMALL_FIRST = 0.6
"""Share of the time in which lessons are learned at half their side, where a batch costs a quarter."""


def levels() -> tuple[Tensor, Tensor]:
    """alpha and sigma of every training time of SDXL's schedule."""
    first, last = architecture.SCHEDULE["beta_start"] ** 0.5, architecture.SCHEDULE["beta_end"] ** 0.5
    betas = (
        torch.linspace(first, last, architecture.SCHEDULE["num_train_timesteps"], dtype=torch.float64) ** 2
    )
    kept = torch.cumprod(1 - betas, 0)
    return kept.sqrt().float(), (1 - kept).sqrt().float()


class Learner(nn.Module):
    """The parts that learn together."""

    def __init__(self, pipe: StableDiffusionXLPipeline) -> None:
        super().__init__()
        self.unet, self.first, self.second = pipe.unet, pipe.text_encoder, pipe.text_encoder_2
        self.float().requires_grad_(True).train()

    def told(self, tokens: Tensor, ids: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """What the network is given, read exactly as the engine reads the encoders."""
        outputs = [encoder(tokens, output_hidden_states=True) for encoder in (self.first, self.second)]
        hidden = torch.cat([out.hidden_states[-2] for out in outputs], -1)
        return hidden, {"text_embeds": outputs[1][0], "time_ids": ids.float()}

    def forward(self, noisy: Tensor, t: Tensor, tokens: Tensor, ids: Tensor) -> Tensor:
        """The noise foreseen."""
        hidden, given = self.told(tokens, ids)
        return self.unet(noisy, t, hidden, added_cond_kwargs=given).sample


class Base:
    """The course of the base; the VAE is the one of the folder it begins with."""

    rate = 5e-4
    cooling = COOLING
    small_first = SMALL_FIRST
    subjects: tuple[str, ...] = ()
    squares = 0.7

    def __init__(
        self,
        source: Path | None,
        device: torch.device,
        lessons: int = 40_000,
        batch: int = 64,
        small: float | None = None,
        seed: int = 0,
    ) -> None:
        self.device, self.lessons, self.size, self.seed = device, lessons, batch, seed
        if small is not None:
            self.small_first = small
        self.pipe = self.begin(source)
        self.learner = Learner(self.pipe).to(device)
        self.alpha, self.sigma = (level.to(device) for level in levels())

    def begin(self, source: Path | None) -> StableDiffusionXLPipeline:
        if source is None:
            raise SystemExit("--from: the base needs a folder with a trained VAE")
        pipe = StableDiffusionXLPipeline.from_pretrained(source, use_safetensors=True).to(torch.float32)
        pipe.vae.to(self.device).requires_grad_(False)
        return pipe

    def batches(self, first: int) -> Iterator[Batch]:
        # Two cores cannot render and learn at once; many can, beside a GPU.
        few = self.device.type == "cpu"
        pool = Pool(
            self.encode,
            self.read,
            lessons=self.lessons,
            seed=self.seed * 1_000_003 + first,
            subjects=self.subjects,
            squares=self.squares,
            keep=self.keep,
            device=self.device,
        )
        pool.wait(self.lessons if few else min(self.lessons, 4096))
        return pool.draws(self.size, first)

    @torch.inference_mode()
    def encode(self, pictures: Tensor) -> Tensor:
        """Latents in the network's space, of pictures in bytes (N, rows, cols, 3)."""
        with half(self.device):
            pixels = pictures.permute(0, 3, 1, 2).float() / 127.5 - 1
            latents = self.pipe.vae.encode(pixels).latents
        return latents.float() * self.pipe.vae.config.scaling_factor

    def keep(self, pictures: Tensor) -> tuple[Tensor, ...]:
        """What the lessons need of their pictures beside the latents."""
        return ()

    def read(self, prompts: list[str]) -> Tensor:
        padded = self.pipe.tokenizer(prompts, padding="max_length", truncation=True, return_tensors="pt")
        return padded.input_ids

    def foresee(self, noisy: Tensor, t: Tensor, batch: Batch, small: bool) -> Tensor:
        """The noise that the learner sees in a batch."""
        return self.learner(noisy, t, batch.tokens, batch.ids)

    def loss(self, batch: Batch, share: float) -> tuple[Tensor, dict[str, float]]:
        """Min-SNR: what is nearly clean counts no more than a signal five times its noise."""
        small = share < self.small_first
        clean = avg_pool2d(batch.latents.float(), 2) if small else batch.latents.float()
        t = torch.randint(0, len(self.alpha), (len(clean),), device=self.device)
        noise = torch.randn_like(clean)
        alpha, sigma = (level[t][:, None, None, None] for level in (self.alpha, self.sigma))
        with half(self.device):
            foreseen = self.foresee(alpha * clean + sigma * noise, t, batch, small)
        errors = (foreseen.float() - noise).square().mean((1, 2, 3))
        snr = (alpha / sigma).square().flatten()
        weighted = (errors * snr.clamp(max=MIN_SNR) / snr).mean()
        return weighted, {"loss": weighted.item(), "error": errors.mean().item(), "small": float(small)}

    def grid(self, learned: nn.Module) -> Image.Image:
        """Eight prompts from the same noise each time, with the ids of a whole native picture."""
        latents = sample(learned, self.read(list(SHOWN)).to(self.device), self.channels, self.device)
        pictures = self.decode(latents)
        rows = [np.concatenate(list(pictures[k : k + 4]), 1) for k in (0, 4)]
        return Image.fromarray(np.concatenate(rows, 0))

    @property
    def channels(self) -> int:
        return self.pipe.unet.config.in_channels

    @torch.inference_mode()
    def decode(self, latents: Tensor) -> np.ndarray:
        pixels = self.pipe.vae.decode(latents / self.pipe.vae.config.scaling_factor).sample
        return ((pixels.clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    def write(self, learned: nn.Module, folder: Path) -> None:
        architecture.write(
            self.pipe,
            folder,
            unet=learned.unet,
            text_encoder=learned.first,
            text_encoder_2=learned.second,
        )


SHOWN = (
    "a red house on snow at night",
    "a blue boat on water at day",
    "a green tree on grass at day",
    "a white rocket on sand at sunset",
    "a yellow flower on cobblestones at dawn",
    "an orange balloon on grass at day",
    "a pink tree on snow at twilight",
    "a purple house on autumn leaves at noon",
)


def emptied(tokens: Tensor) -> Tensor:
    """The same number of empty prompts."""
    empty = tokens.clone()
    empty[:, 1:] = architecture.tokenizer().eos_token_id
    return empty


@torch.inference_mode()
def sample(
    learned: Callable[..., Tensor],
    tokens: Tensor,
    channels: int,
    device: torch.device,
    side: int = 32,
    steps: int = 20,
) -> Tensor:
    """DDIM with plain guidance: quick pictures for the log; the engine is what really draws."""
    alphas, sigmas = levels()
    both = torch.cat([emptied(tokens), tokens])
    ids = torch.tensor([[256, 256, 0, 0, 256, 256]], device=device).expand(len(both), -1)
    start = np.random.RandomState(0).standard_normal((len(tokens), channels, side, side))
    z = torch.tensor(start, dtype=torch.float32, device=device)
    times = [round(999 - k * 999 / steps) for k in range(steps)]
    for t, after in zip(times, [*times[1:], None], strict=True):
        at = torch.full((len(both),), t, device=device)
        with half(device):
            plain, told = learned(torch.cat([z, z]), at, both, ids).float().chunk(2)
        eps = plain + 4.0 * (told - plain)
        clean = (z - sigmas[t] * eps) / alphas[t]
        z = clean if after is None else alphas[after] * clean + sigmas[after] * eps
    return z
