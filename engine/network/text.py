"""Prompts as the network reads them. Longer ones than the encoders take are read in chunks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Text(NamedTuple):
    """Embeddings, one row a text: what to avoid and what to show, or what to show alone.

    pooled: of the whole text, where the family has it.
    """

    embeds: Tensor
    pooled: Tensor | None = None

    @property
    def first(self) -> "Text":
        """The first text alone."""
        return Text(self.embeds[:1], None if self.pooled is None else self.pooled[:1])


def chunks(tokenizer: Any, texts: Sequence[str]) -> Tensor:
    """Token ids (texts, chunks, length): every text cut into the same number of padded chunks."""
    length = tokenizer.model_max_length
    room = length - 2
    plain = [tokenizer(text, add_special_tokens=False, verbose=False).input_ids for text in texts]
    count = max(1, *(-(-len(ids) // room) for ids in plain))
    framed = []
    for ids in plain:
        for k in range(count):
            chunk = [tokenizer.bos_token_id, *ids[k * room : (k + 1) * room], tokenizer.eos_token_id]
            framed.append(chunk + [tokenizer.pad_token_id] * (length - len(chunk)))
    return torch.tensor(framed).unflatten(0, (len(texts), count))


def of_one_encoder(encoder: Any, tokenizer: Any, texts: Sequence[str], device: torch.device) -> Text:
    """SD 1.x and 2.x: the last layer, normed; nothing pooled."""
    read = chunks(tokenizer, texts)
    hidden = encoder(read.flatten(0, 1).to(device))[0]
    return Text(hidden.unflatten(0, read.shape[:2]).flatten(1, 2))


def of_two_encoders(
    encoders: Sequence[Any], tokenizers: Sequence[Any], texts: Sequence[str], device: torch.device
) -> Text:
    """SDXL: the layer before the last of both, side by side; pooled by the second, from the first chunk."""
    hidden, pooled = [], None
    rows = [chunks(tokenizer, texts) for tokenizer in tokenizers]
    most = max(read.shape[1] for read in rows)
    for encoder, tokenizer, read in zip(encoders, tokenizers, rows, strict=True):
        if read.shape[1] < most:  # Two vocabularies may cut one text into different numbers of chunks.
            empty = chunks(tokenizer, [""]).expand(len(texts), most - read.shape[1], -1)
            read = torch.cat([read, empty], 1)
        outputs = encoder(read.flatten(0, 1).to(device), output_hidden_states=True)
        hidden.append(outputs.hidden_states[-2])
        pooled = outputs[0].unflatten(0, read.shape[:2])[:, 0]
    embeds = torch.cat(hidden, -1).unflatten(0, (len(texts), most)).flatten(1, 2)
    return Text(embeds, pooled)


def with_zeros(text: Text) -> Text:
    """What an omitted negative means to some models: zeros in place of the empty text."""
    kept = torch.tensor([0.0, 1.0], dtype=text.embeds.dtype, device=text.embeds.device)
    return Text(text.embeds * kept[:, None, None], text.pooled * kept[:, None])
