"""Encode prompts to embeddings. Prompts that are too long for the encoders are encoded in chunks."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class Tokenizer(Protocol):
    """The part of a tokenizer of the library transformers that is used here."""

    # The number of tokens that the encoder takes, and the tokens that begin, end and fill up a prompt.
    model_max_length: int
    bos_token_id: int
    eos_token_id: int
    pad_token_id: int

    def __call__(self, text: str, *, add_special_tokens: bool, verbose: bool) -> Any:
        """Return an object whose `input_ids` are the tokens of a text."""
        ...


# A text encoder of the library transformers, which takes token ids.
Encoder = Callable[..., Any]


class Text(NamedTuple):
    """The embeddings of a run's prompts, one row each: (negative, positive), or the positive prompt alone."""

    # The embedding of each token (prompts, tokens, width).
    embeds: Tensor
    # SDXL's embedding of the whole prompt (prompts, width); None for other families.
    pooled: Tensor | None = None

    @property
    def first(self) -> "Text":
        """The embeddings of the first prompt alone."""
        return Text(self.embeds[:1], None if self.pooled is None else self.pooled[:1])


def tokenize_in_chunks(tokenizer: Tokenizer, prompts: Sequence[str]) -> Tensor:
    """Return token ids (prompts, chunks, length). Every prompt is cut into the same number of padded chunks."""
    length = tokenizer.model_max_length
    room = length - 2
    plain = [tokenizer(prompt, add_special_tokens=False, verbose=False).input_ids for prompt in prompts]
    count = max(1, *(-(-len(ids) // room) for ids in plain))
    chunks = []
    for ids in plain:
        for k in range(count):
            chunk = [tokenizer.bos_token_id, *ids[k * room : (k + 1) * room], tokenizer.eos_token_id]
            chunks.append(chunk + [tokenizer.pad_token_id] * (length - len(chunk)))
    return torch.tensor(chunks).unflatten(0, (len(prompts), count))


def encode_with_one_encoder(
    encoder: Encoder, tokenizer: Tokenizer, prompts: Sequence[str], device: torch.device
) -> Text:
    """Return embeddings for SD 1.x and 2.x: the encoder's last layer, normalized, without pooled embeddings."""
    ids = tokenize_in_chunks(tokenizer, prompts)
    hidden = encoder(ids.flatten(0, 1).to(device))[0]
    return Text(hidden.unflatten(0, ids.shape[:2]).flatten(1, 2))


def encode_with_two_encoders(
    encoders: Sequence[Encoder],
    tokenizers: Sequence[Tokenizer],
    prompts: Sequence[str],
    device: torch.device,
) -> Text:
    """Return embeddings for SDXL: the last but one layer of both encoders, concatenated.

    The pooled embedding comes from the second encoder and the first chunk.
    """
    hidden, pooled = [], None
    rows = [tokenize_in_chunks(tokenizer, prompts) for tokenizer in tokenizers]
    most = max(ids.shape[1] for ids in rows)
    for encoder, tokenizer, ids in zip(encoders, tokenizers, rows, strict=True):
        if ids.shape[1] < most:  # Two vocabularies may cut one prompt into different numbers of chunks.
            empty = tokenize_in_chunks(tokenizer, [""]).expand(len(prompts), most - ids.shape[1], -1)
            ids = torch.cat([ids, empty], 1)
        outputs = encoder(ids.flatten(0, 1).to(device), output_hidden_states=True)
        hidden.append(outputs.hidden_states[-2])
        pooled = outputs[0].unflatten(0, ids.shape[:2])[:, 0]
    embeds = torch.cat(hidden, -1).unflatten(0, (len(prompts), most)).flatten(1, 2)
    return Text(embeds, pooled)


def zero_negative(text: Text) -> Text:
    """Return (negative, positive) embeddings with zeros for the negative prompt.

    Some models expect zeros if the negative prompt is omitted.
    """
    kept = torch.tensor([0.0, 1.0], dtype=text.embeds.dtype, device=text.embeds.device)
    pooled = None if text.pooled is None else text.pooled * kept[:, None]
    return Text(text.embeds * kept[:, None, None], pooled)
