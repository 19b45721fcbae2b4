"""What the loop sees of a loaded pipeline: facts, text, predictions. Its VAE belongs to the codec."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.catalogue.entries import Facts
from engine.control.conditioning import Guide, residuals
from engine.network import text
from engine.network.facts import parts_of
from engine.network.patching.apply import bent
from engine.network.text import Text
from engine.planning.patches import Bend


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded pipeline. matrix: latent to RGB. device: where it computes.

    nets: the ControlNets that were asked for, by their sources.
    """

    facts: Facts
    pipeline: Any
    matrix: Tensor
    device: torch.device
    nets: dict[str, Any] = field(default_factory=dict)

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def encoders(self) -> tuple[Any, ...]:
        return tuple(part for name, part in parts_of(self.pipeline).items() if name.startswith("text"))

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        names = ("tokenizer", "tokenizer_2")[: len(self.encoders)]
        return tuple(getattr(self.pipeline, name) for name in names)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str | None, copies: int) -> Text:
        """The conditioning of a run; longer texts than the encoders take are read in chunks."""
        texts = [negative or "", prompt] if copies == 2 else [prompt]
        if self.facts.family == "sd":
            return text.of_one_encoder(self.encoders[0], self.tokenizers[0], texts, self.device)
        told = text.of_two_encoders(self.encoders, self.tokenizers, texts, self.device)
        zeros = copies == 2 and negative is None and self.pipeline.config.force_zeros_for_empty_prompt
        return text.with_zeros(told) if zeros else told

    def predict(
        self,
        latents: Tensor,
        t: float,
        text: Text,
        ids: Tensor,
        guides: tuple[Guide, ...] = (),
        bends: tuple[Bend, ...] = (),
    ) -> Tensor:
        """Raw predictions for latents (N, C, h, w), N a multiple of the texts, under size ids (N, 6)."""
        views = len(latents) // len(text.embeds)
        given = None
        if text.pooled is not None:
            # Float ids: in bfloat16 large sizes would be rounded.
            given = {"text_embeds": text.pooled.repeat_interleave(views, 0), "time_ids": ids.float()}
        embeds = text.embeds.repeat_interleave(views, 0)
        latents = latents.to(self.unet.dtype)
        with bent([self.unet, *(guide.net for guide in guides)], bends):
            steered = residuals(guides, latents, t, embeds, given)
            return self.unet(latents, t, embeds, added_cond_kwargs=given, **steered).sample
