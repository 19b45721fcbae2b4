"""A loaded pipeline as the loop uses it: facts, prompt embeddings, predictions. engine/vae uses its VAE."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.catalogue.entries import Facts
from engine.network import text
from engine.network.controlnet import ControlInput, compute_residuals
from engine.network.facts import get_networks
from engine.network.patching.apply import apply_patches
from engine.network.text import Text
from engine.planning.patches import Patch


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded diffusers pipeline."""

    facts: Facts
    pipeline: Any
    # Maps a latent cell to RGB, for previews.
    preview_matrix: Tensor
    # Where the network computes.
    device: torch.device
    # The ControlNets that were loaded for this model, by their sources.
    controlnets: dict[str, Any] = field(default_factory=dict)

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def encoders(self) -> tuple[Any, ...]:
        return tuple(part for name, part in get_networks(self.pipeline).items() if name.startswith("text"))

    @property
    def tokenizers(self) -> tuple[Any, ...]:
        names = ("tokenizer", "tokenizer_2")[: len(self.encoders)]
        return tuple(getattr(self.pipeline, name) for name in names)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str | None, guidance_passes: int) -> Text:
        """Return the embeddings of a run's prompts, (negative, positive) or the positive alone.

        Prompts that are longer than the encoders take are encoded in chunks.
        """
        prompts = [negative or "", prompt] if guidance_passes == 2 else [prompt]
        if self.facts.family == "sd":
            return text.encode_with_one_encoder(self.encoders[0], self.tokenizers[0], prompts, self.device)
        encoded = text.encode_with_two_encoders(self.encoders, self.tokenizers, prompts, self.device)
        is_omitted = guidance_passes == 2 and negative is None
        return text.zero_negative(encoded) if is_omitted and self._zeroes_empty_prompt else encoded

    @property
    def _zeroes_empty_prompt(self) -> bool:
        return self.pipeline.config.force_zeros_for_empty_prompt

    def predict(
        self,
        latents: Tensor,
        t: float,
        text: Text,
        size_ids: Tensor,
        controls: tuple[ControlInput, ...] = (),
        patches: tuple[Patch, ...] = (),
    ) -> Tensor:
        """Return the network's raw predictions for latents (N, C, h, w) at timestep t.

        The latents are the views once for each prompt; size_ids are (N, 6).
        """
        views = len(latents) // len(text.embeds)
        added_cond = None
        if text.pooled is not None:
            # Float ids: bfloat16 would round large sizes.
            added_cond = {
                "text_embeds": text.pooled.repeat_interleave(views, 0),
                "time_ids": size_ids.float(),
            }
        embeds = text.embeds.repeat_interleave(views, 0)
        latents = latents.to(self.unet.dtype)
        with apply_patches([self.unet, *(control.net for control in controls)], patches):
            added = compute_residuals(controls, latents, t, embeds, added_cond)
            return self.unet(latents, t, embeds, added_cond_kwargs=added_cond, **added).sample
