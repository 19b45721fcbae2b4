"""The two networks of Relay Diffusion: U-Nets over folded pixels, whose norms look at one place at a time.

Both predict F of EDM's preconditioning. The second stage's has convolutions alone, and its norms do not average
over the picture, so that it runs at any size as it was trained on crops.
"""

from dataclasses import dataclass
from math import pi

import torch
from torch import Tensor, nn
from torch.nn.functional import (
    interpolate,
    layer_norm,
    pixel_shuffle,
    pixel_unshuffle,
    scaled_dot_product_attention,
    silu,
)

from lab.relay.words import WORDS

# Px that are folded into channels along each side, and the channels of a pixel.
FOLD, CHANNELS = 2, 3
# Features of the noise level before they are mixed, and the width of the embedding.
LEVEL_FEATURES, EMBEDDING = 32, 64
HEAD_WIDTH = 32


@dataclass(frozen=True)
class Shape:
    """The size of a network."""

    # Channels of each level, from fine to coarse.
    widths: tuple[int, ...]
    # Blocks of each level on the way down, and on the way up.
    down: tuple[int, ...]
    up: tuple[int, ...]
    # Whether the blocks of a level have attention.
    attention: tuple[bool, ...]
    # Whether the network is conditioned on words.
    has_words: bool = False


FIRST = Shape((40, 80, 128), (1, 2, 3), (1, 1, 0), (False, False, True), has_words=True)
SECOND = Shape((48, 80, 128), (2, 2, 2), (2, 1, 0), (False, False, False))


class ChannelNorm(nn.Module):
    """Normalises the channels of each place to mean 0 and deviation 1."""

    def forward(self, x: Tensor) -> Tensor:
        # Channels come last in memory, where the library's layer norm is fast.
        return layer_norm(x.movedim(1, -1), x.shape[1:2]).movedim(-1, 1)


class Block(nn.Module):
    """A residual block of two convolutions; the embedding scales and shifts the channels before them."""

    def __init__(self, width: int, has_attention: bool) -> None:
        super().__init__()
        self.norm = ChannelNorm()
        self.modulation = nn.Linear(EMBEDDING, 2 * width)
        self.first, self.second = nn.Conv2d(width, width, 3, 1, 1), nn.Conv2d(width, width, 3, 1, 1)
        self.attention = Attention(width) if has_attention else None
        for layer in (self.second, self.modulation):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        scale, shift = self.modulation(embedding)[..., None, None].chunk(2, 1)
        h = self.first(silu(torch.addcmul(shift, self.norm(x), 1 + scale)))
        x = x + self.second(silu(h))
        return x if self.attention is None else self.attention(x)


class Attention(nn.Module):
    """Residual self-attention over all places."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = ChannelNorm()
        self.into, self.out = nn.Conv2d(width, 3 * width, 1), nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        heads = self.into(self.norm(x)).flatten(2).unflatten(1, (3, -1, HEAD_WIDTH)).transpose(-1, -2)
        mixed = scaled_dot_product_attention(*heads.unbind(1))
        return x + self.out(mixed.transpose(-1, -2).reshape(x.shape))


class Network(nn.Module):
    """A U-Net over folded pixels: noisy pixels, a noise level and, in the first stage, words."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        widths, folded = shape.widths, CHANNELS * FOLD**2
        self.register_buffer("frequencies", torch.linspace(0.5, 8, LEVEL_FEATURES // 2), persistent=False)
        self.level = nn.Sequential(
            nn.Linear(LEVEL_FEATURES, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING)
        )
        # The last one of each kind stands for NO_WORD, which is -1.
        self.words = nn.ModuleList(
            nn.Embedding(len(names) + 1, EMBEDDING) for names in WORDS.values() if shape.has_words
        )
        self.into, self.out = nn.Conv2d(folded, widths[0], 3, 1, 1), nn.Conv2d(widths[0], folded, 3, 1, 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        self.shrink, self.enlarge = nn.ModuleList(), nn.ModuleList()
        for k, width in enumerate(widths):
            blocks = [[Block(width, shape.attention[k]) for _ in range(n[k])] for n in (shape.down, shape.up)]
            self.down.append(nn.ModuleList(blocks[0]))
            self.up.append(nn.ModuleList(blocks[1]))
            if k + 1 < len(widths):
                self.shrink.append(nn.Conv2d(width, widths[k + 1], 2, 2))
                self.enlarge.append(nn.Conv2d(widths[k + 1], width, 1))
        self.norm = ChannelNorm()
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor, c_noise: Tensor, words: Tensor | None = None) -> Tensor:
        """Return F for scaled noisy pixels (N, 3, rows, cols) at EDM's c_noise (N).

        words: the indices of the words (N, 4), from lab/relay/words.py. Only the first stage reads them.
        """
        angles = pi * c_noise[:, None].to(x.dtype) * self.frequencies
        embedding = self.level(torch.cat([angles.sin(), angles.cos()], 1))
        if words is not None:
            for table, indices in zip(self.words, words.unbind(1), strict=True):
                embedding = embedding + table(indices % table.num_embeddings)
        embedding = silu(embedding)
        h = self.into(pixel_unshuffle(x, FOLD).contiguous(memory_format=torch.channels_last))
        skips = []
        for k, blocks in enumerate(self.down):
            h = self.shrink[k - 1](h) if k else h
            for block in blocks:
                h = block(h, embedding)
            skips.append(h)
        for k in reversed(range(len(self.up))):
            if k + 1 < len(self.up):
                h = skips[k] + interpolate(self.enlarge[k](h), scale_factor=2)
            for block in self.up[k]:
                h = block(h, embedding)
        return pixel_shuffle(self.out(silu(self.norm(h))), FOLD)
