"""The parts of Postcards: a small pipeline of SDXL's shape, in diffusers' and transformers' own classes.

Three levels with SDXL's block names, attention where SDXL has it (none at full resolution), two text encoders
of which the first is read one layer before its last, size ids, f = 8.
"""

import re
from collections.abc import Iterable
from copy import deepcopy
from pathlib import Path

import torch
from diffusers import AutoencoderTiny, EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, PreTrainedTokenizerFast

from lab.world.lessons import NATIVE
from lab.world.scenery import GROUNDS, SKIES
from lab.world.scenes import COLOURS, Scene, phrases
from lab.world.subjects import SUBJECTS

TOKENS, WORD, WIDTHS, TEXT, SIZES = 24, 96, (64, 96, 128), 2 * 96, 32
LATENT_CHANNELS = 8
# Widths and blocks from the picture to the latent: most of the work is done where it costs little.
ENCODER, ENCODER_BLOCKS = (32,) * 4, (1, 2, 3, 4)
DECODER, DECODER_BLOCKS = (40,) * 4, (4, 3, 2, 1)
# The empty prompt is taught as a text like any other.
NO_ZEROS = {"force_zeros_for_empty_prompt": False}
START, END, UNKNOWN = "<|startoftext|>", "<|endoftext|>", "<|unknown|>"
SCHEDULE = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    # From pure noise on, as canvases begin: in few steps fewer stray parts than from SDXL's own first one.
    "timestep_spacing": "trailing",
    "prediction_type": "epsilon",
}


def words() -> tuple[str, ...]:
    """Every word that the world is told in."""
    told = {word for kind in (SUBJECTS, COLOURS, GROUNDS, SKIES) for name in kind for word in name.split()}
    told |= {word for subject in SUBJECTS.values() for part, *_ in subject.parts for word in part.split()}
    for article in ("red", "orange"):
        for phrase in phrases(Scene("cat", article, "snow", "day")):
            told |= set(spoken(phrase))
    return tuple(sorted(word for word in told | {"of"} if word.isalpha()))


def spoken(text: str) -> list[str]:
    """The words of a text, lower case, punctuation apart."""
    return re.findall(r"[\w'-]+|[^\w\s]", text.lower())


def unknown(text: str, known: Iterable[str]) -> tuple[str, ...]:
    """The words of a prompt that the model has never seen, in their order."""
    known = set(known) | {",", "."}
    return tuple(dict.fromkeys(word for word in spoken(text) if word not in known))


def tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; what it does not know is one token too, and is told of by `unknown`."""
    pieces = {word: i for i, word in enumerate((START, END, UNKNOWN, ",", ".", *words()))}
    reader = Tokenizer(models.WordLevel(pieces, unk_token=UNKNOWN))
    reader.normalizer = normalizers.Lowercase()
    reader.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [(START, pieces[START]), (END, pieces[END])]
    reader.post_processor = processors.TemplateProcessing(single=f"{START} $A {END}", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=reader, model_max_length=TOKENS,
        bos_token=START, eos_token=END, unk_token=UNKNOWN, pad_token=END,
    )  # fmt: skip


def text_config(vocabulary: int, layers: int) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=vocabulary, hidden_size=WORD, intermediate_size=4 * WORD, projection_dim=WORD,
        num_hidden_layers=layers, num_attention_heads=4, max_position_embeddings=TOKENS,
        bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip


def unet(channels: int = LATENT_CHANNELS) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=NATIVE // 8,
        in_channels=channels,
        out_channels=channels,
        layers_per_block=2,
        block_out_channels=WIDTHS,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 1),
        attention_head_dim=(2, 4, 8),
        cross_attention_dim=TEXT,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=SIZES,
        projection_class_embeddings_input_dim=6 * SIZES + WORD,
    )


def pipeline(seed: int = 0, channels: int = LATENT_CHANNELS) -> StableDiffusionXLPipeline:
    """All parts, with random weights."""
    torch.manual_seed(seed)
    tokens = tokenizer()
    return StableDiffusionXLPipeline(
        vae=AutoencoderTiny(
            encoder_block_out_channels=ENCODER,
            decoder_block_out_channels=DECODER,
            num_encoder_blocks=ENCODER_BLOCKS,
            num_decoder_blocks=DECODER_BLOCKS,
            latent_channels=LATENT_CHANNELS,
        ),
        # SDXL reads the layer before the last one, which would otherwise learn nothing.
        text_encoder=CLIPTextModel(text_config(len(tokens), layers=3)),
        text_encoder_2=CLIPTextModelWithProjection(text_config(len(tokens), layers=3)),
        tokenizer=tokens,
        tokenizer_2=tokens,
        unet=unet(channels),
        scheduler=EulerDiscreteScheduler(**SCHEDULE),
        **NO_ZEROS,
    )


def write(pipe: StableDiffusionXLPipeline, folder: Path, **learned: torch.nn.Module) -> Path:
    """As float16, in pieces below 9 MiB, which the Hub takes as plain files: the pipeline with these parts in
    place of its own. It stays as it is."""
    parts = {
        name: deepcopy(part).to(torch.float16) if isinstance(part, torch.nn.Module) else part
        for name, part in (pipe.components | learned).items()
    }
    whole = StableDiffusionXLPipeline(**parts, **NO_ZEROS)
    whole.save_pretrained(folder, max_shard_size="8MB")
    return folder
