"""The architecture of Postcards: a small pipeline of SDXL's shape, built from diffusers' own classes.

As in SDXL, the UNet has three levels with attention on all but the finest, the two text encoders are read one
layer before their last, six size ids condition the UNet, and the VAE shrinks each side by 8.
"""

import re
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from lab.world.lessons import NATIVE_SIDE
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import COLOURS, Scene, phrases
from lab.world.subjects import SUBJECTS

# Tokens of a prompt, with start and end.
MAX_TOKENS = 24
# Width of one text encoder, and of the prompt embedding, which joins both.
WORD_WIDTH, TEXT_WIDTH = 96, 2 * 96
# Channels of the UNet's three levels, and of the embedding of one size id.
UNET_WIDTHS, SIZE_ID_WIDTH = (64, 96, 128), 32
LATENT_CHANNELS = 8
# The VAE's widths and blocks per level: most blocks are near the latent, where they cost little.
ENCODER_WIDTHS, ENCODER_BLOCKS = (32,) * 4, (1, 2, 3, 4)
DECODER_WIDTHS, DECODER_BLOCKS = (40,) * 4, (4, 3, 2, 1)
# The empty prompt is encoded as any other text, not replaced by zeros.
ENCODE_EMPTY_PROMPT = {"force_zeros_for_empty_prompt": False}
START_TOKEN, END_TOKEN, UNKNOWN_TOKEN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    # Begins at pure noise: with few steps that gives fewer stray parts than SDXL's "leading" spacing.
    "timestep_spacing": "trailing",
    "prediction_type": "epsilon",
}


def alphas_and_sigmas() -> tuple[Tensor, Tensor]:
    """Return the shares of signal and noise at every training time of SDXL's schedule, 1,000 of each."""
    first, last = SCHEDULE["beta_start"] ** 0.5, SCHEDULE["beta_end"] ** 0.5
    betas = torch.linspace(first, last, SCHEDULE["num_train_timesteps"], dtype=torch.float64) ** 2
    alphas_cumprod = torch.cumprod(1 - betas, 0)
    return alphas_cumprod.sqrt().float(), (1 - alphas_cumprod).sqrt().float()


def vocabulary() -> tuple[str, ...]:
    """Return every word of the world's prompts, sorted."""
    words = {word for kind in (SUBJECTS, COLOURS, GROUNDS, SKIES) for name in kind for word in name.split()}
    words |= {word for subject in SUBJECTS.values() for part, *_ in subject.parts for word in part.split()}
    for colour in ("red", "orange"):  # One with the article "a", one with "an".
        for phrase in phrases(Scene("cat", colour, "snow", "day")):
            words |= set(split_words(phrase))
    return tuple(sorted(word for word in words | {"of"} if word.isalpha()))


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words and punctuation marks."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown_words(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a prompt that are not in the known vocabulary, in their order."""
    known = set(known) | {",", "."}
    return tuple(dict.fromkeys(word for word in split_words(text) if word not in known))


def new_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer with one token for each word; all unknown words share one token."""
    tokens = (START_TOKEN, END_TOKEN, UNKNOWN_TOKEN, ",", ".", *vocabulary())
    token_ids = {token: i for i, token in enumerate(tokens)}
    reader = Tokenizer(models.WordLevel(token_ids, unk_token=UNKNOWN_TOKEN))
    reader.normalizer = normalizers.Lowercase()
    reader.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(START_TOKEN, token_ids[START_TOKEN]), (END_TOKEN, token_ids[END_TOKEN])]
    reader.post_processor = processors.TemplateProcessing(
        single=f"{START_TOKEN} $A {END_TOKEN}", special_tokens=ends
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=reader,
        model_max_length=MAX_TOKENS,
        bos_token=START_TOKEN,
        eos_token=END_TOKEN,
        unk_token=UNKNOWN_TOKEN,
        pad_token=END_TOKEN,
    )


def text_config(vocabulary_size: int, layers: int) -> CLIPTextConfig:
    """Return the configuration of a text encoder."""
    return CLIPTextConfig(
        vocab_size=vocabulary_size,
        hidden_size=WORD_WIDTH,
        intermediate_size=4 * WORD_WIDTH,
        projection_dim=WORD_WIDTH,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=MAX_TOKENS,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )


def new_unet(channels: int = LATENT_CHANNELS) -> UNet2DConditionModel:
    """Return the UNet with random weights, for latents of this many channels."""
    return UNet2DConditionModel(
        sample_size=NATIVE_SIDE // 8,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=2,
        block_out_channels=UNET_WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=(2, 4, 8),
        cross_attention_dim=TEXT_WIDTH,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZE_ID_WIDTH,
        projection_class_embeddings_input_dim=6 * SIZE_ID_WIDTH + WORD_WIDTH,
    )


def new_pipeline(seed: int = 0, channels: int = LATENT_CHANNELS) -> StableDiffusionXLPipeline:
    """Return the whole pipeline with random weights, the same for the same seed."""
    torch.manual_seed(seed)
    tokens = new_tokenizer()
    return StableDiffusionXLPipeline(
        vae=AutoencoderTiny(
            encoder_block_out_channels=ENCODER_WIDTHS,
            decoder_block_out_channels=DECODER_WIDTHS,
            num_encoder_blocks=ENCODER_BLOCKS,
            num_decoder_blocks=DECODER_BLOCKS,
            latent_channels=LATENT_CHANNELS,
        ),
        # SDXL reads the layer before the last one, so that prompts pass two of these three.
        text_encoder=CLIPTextModel(text_config(len(tokens), layers=3)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(len(tokens), layers=3)),
        tokenizer=tokens,
        tokenizer_2=tokens,
        unet=new_unet(channels),
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        **ENCODE_EMPTY_PROMPT,
    )


def write_pipeline(pipe: StableDiffusionXLPipeline, folder: Path, **learned: torch.nn.Module) -> Path:
    """Write the pipeline as float16, with these trained parts in place of its own; return the folder.

    Files stay below 9 MiB, which the Hub takes without LFS. The pipeline itself is not changed.
    """
    parts = {
        name: deepcopy(part).to(torch.float16) if isinstance(part, torch.nn.Module) else part
        for name, part in (pipe.components | learned).items()
    }
    whole = StableDiffusionXLPipeline(**parts, **ENCODE_EMPTY_PROMPT)
    whole.save_pretrained(folder, max_shard_size="8MB")
    return folder
