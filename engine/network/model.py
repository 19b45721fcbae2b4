"""A loaded model, as the loop uses it: facts, prompt embeddings and predictions. engine/vae uses its VAE."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from engine.catalogue.entries import Facts
from engine.network import text
from engine.network.compiled import CompiledNetwork
from engine.network.controlnet import ControlInput, compute_residuals
from engine.network.facts import get_networks
from engine.network.patching.apply import apply_patches
from engine.network.pipeline import Pipeline
from engine.network.text import Encoder, Text, Tokenizer
from engine.planning.patches import Patch


@dataclass(frozen=True, eq=False)
class Model:
    """A loaded diffusers pipeline with its facts."""

    # What planning needs to know of the model.
    facts: Facts
    # The diffusers pipeline.
    pipeline: Pipeline
    # The matrix (C + 1, 3) that turns latents into RGB previews.
    preview_matrix: Tensor
    # The device on which the network computes.
    device: torch.device
    # The ControlNets that were loaded for this model, by folder or hub id.
    controlnets: dict[str, Any] = field(default_factory=dict)
    # The compiled network, for steps without patches and controls; None if it is not compiled.
    compiled: CompiledNetwork | None = None

    @property
    def unet(self) -> Any:
        return self.pipeline.unet

    @property
    def vae(self) -> Any:
        return self.pipeline.vae

    @property
    def encoders(self) -> tuple[Encoder, ...]:
        """The text encoders: two for SDXL, one for other families."""
        return tuple(part for name, part in get_networks(self.pipeline).items() if name.startswith("text"))

    @property
    def tokenizers(self) -> tuple[Tokenizer, ...]:
        """The tokenizer of each text encoder."""
        names = ("tokenizer", "tokenizer_2")[: len(self.encoders)]
        return tuple(getattr(self.pipeline, name) for name in names)

    @torch.inference_mode()
    def encode_text(self, prompt: str, negative: str | None, guidance_passes: int) -> Text:
        """Return the embeddings of a run's prompts: (negative, positive), or the positive prompt alone for one pass.

        Prompts that are too long for the encoders are encoded in chunks.

        negative: None if the recipe has no negative prompt.
        guidance_passes: 2 with classifier-free guidance, else 1.
        """
        prompts = [negative or "", prompt] if guidance_passes == 2 else [prompt]
        if self.facts.family == "sd":
            return text.encode_with_one_encoder(self.encoders[0], self.tokenizers[0], prompts, self.device)
        encoded = text.encode_with_two_encoders(self.encoders, self.tokenizers, prompts, self.device)
        is_omitted = guidance_passes == 2 and negative is None
        return text.zero_negative(encoded) if is_omitted and self._zeroes_empty_prompt else encoded

    @property
    def _zeroes_empty_prompt(self) -> bool:
        """Whether the model expects zeros as embedding of an omitted negative prompt."""
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

        latents: all views with the first prompt, then all views with the second prompt.
        size_ids: SDXL's size ids (N, 6); other models ignore them.
        controls: the ControlNets that are active at this step.
        patches: the patches of the network at this step.
        """
        views = len(latents) // len(text.embeds)
        added_cond = None
        if text.pooled is not None:
            # The ids are floats, because bfloat16 would round large sizes.
            added_cond = {
                "text_embeds": text.pooled.repeat_interleave(views, 0),
                "time_ids": size_ids.float(),
            }
        embeds = text.embeds.repeat_interleave(views, 0)
        # The property `dtype` of a network of diffusers looks at all parameters, which takes milliseconds.
        latents = latents.to(next(self.unet.parameters()).dtype)
        if self.compiled and not controls and not patches:
            # A number would be compiled into the function; a tensor is one of its inputs.
            time = torch.full((1,), t, device=latents.device)
            return self.compiled(latents, time, embeds, added_cond)
        with apply_patches([self.unet, *(control.controlnet for control in controls)], patches):
            added = compute_residuals(controls, latents, t, embeds, added_cond)
            return self.unet(latents, t, embeds, added_cond_kwargs=added_cond, **added).sample
