"""The judge: a small network that says what a picture shows.

It counts subjects by finding them: a map says where one stands, and what the map holds is counted. What is
told of a figure is read where one stands.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import max_pool2d, silu

from lab.judge.cases import NAMES
from lab.world.lessons import NATIVE
from lab.world.paint import Array

WIDTHS = (24, 40, 80, 128, 152)
OF_FIGURES = ("subject", "colour")
"""What is read at the figures; the rest is read of the whole picture."""
RARE = -4.0
"""What every cell says of figures before it has learned anything."""
FILE = "judge.safetensors"


class Block(nn.Module):
    """Two convolutions around which the input is carried; the first may halve the side."""

    def __init__(self, into: int, out: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(into, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out))
        self.second = nn.Sequential(nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out))
        same = stride == 1 and into == out
        self.around = nn.Identity() if same else nn.Conv2d(into, out, stride, stride)

    def forward(self, x: Tensor) -> Tensor:
        return silu(self.around(x) + self.second(silu(self.first(x))))


class Judge(nn.Module):
    """Pixels (N, 3, 256, 256) between -1 and 1 to a verdict for every head of NAMES."""

    def __init__(self) -> None:
        super().__init__()
        a, b, c, d, e = WIDTHS
        self.fine = nn.Sequential(nn.Conv2d(3, a, 3, 2, 1), nn.SiLU(), Block(a, b, 2), Block(b, b))
        self.near = nn.Sequential(Block(b, c, 2), Block(c, c))
        self.middle = nn.Sequential(Block(c, d, 2), Block(d, d))
        self.far = nn.Sequential(Block(d, e, 2), Block(e, e))
        self.from_middle, self.from_far = nn.Conv2d(d, c, 1), nn.Conv2d(e, d, 1)
        self.joined = Block(c, c)
        told = [len(NAMES[name]) for name in OF_FIGURES]
        self.cells = nn.Conv2d(c, 1 + sum(told), 1)
        nn.init.constant_(self.cells.bias[:1], RARE)
        sees = 2 * e + c + 2 * (b + c)
        self.heads = nn.ModuleDict(
            {name: nn.Linear(sees, len(of)) for name, of in NAMES.items() if name not in OF_FIGURES}
        )
        self.grain = nn.Sequential(nn.Linear(sees, 64), nn.SiLU(), nn.Linear(64, len(NAMES["zoom"])))
        self.count = nn.Sequential(nn.Linear(2 * e + 2, 64), nn.SiLU(), nn.Linear(64, len(NAMES["number"])))

    def features(self, pixels: Tensor) -> Tensor:
        """(N, 2 e + c + 2 (b + c)): what the picture has, the strongest of it, what is in its middle, and how
        fine it is made."""
        return self._seen(pixels)[0]

    def _seen(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features, and what every cell says: whether a figure stands there, and of what kind."""
        fine = self.fine(pixels)
        near = self.near(fine)
        middle = self.middle(near)
        far = self.far(middle)
        wide = self.joined(near + _twice(self.from_middle(middle + _twice(self.from_far(far)))))
        centre = slice(wide.shape[-1] * 3 // 8, wide.shape[-1] * 5 // 8)
        inner = wide[..., centre, centre]
        pooled = torch.cat([far.mean((2, 3)), far.amax((2, 3)), inner.mean((2, 3))], 1).float()
        textures = [of(x.float()) for x in (fine, near) for of in (_level, _contrast)]
        pooled = torch.cat([pooled, *textures], 1)
        with torch.autocast(pixels.device.type, enabled=False):
            # In bfloat16 neighbouring cells are often equal, and then all of them are peaks.
            return pooled, self.cells(wide.float())

    def forward(self, pixels: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        """Scores by head, and the map of places as logits (N, rows, cols)."""
        pooled, cells = self._seen(pixels)
        places, *kinds = cells.split([1, *(len(NAMES[name]) for name in OF_FIGURES)], 1)
        found = places.sigmoid()
        weight = found / found.sum((2, 3), keepdim=True)
        scores = {name: (kind * weight).sum((2, 3)) for name, kind in zip(OF_FIGURES, kinds, strict=True)}
        scores |= {name: head(pooled) for name, head in self.heads.items()}
        peaks = found * (found == max_pool2d(found, 3, 1, 1))
        counted = torch.cat([peaks.sum((2, 3)), (peaks * peaks).sum((2, 3))], 1)
        whole = pooled[:, : 2 * WIDTHS[-1]]
        scores["number"] = scores["number"] + self.count(torch.cat([whole, counted], 1))
        scores["zoom"] = scores["zoom"] + self.grain(pooled)
        return {name: scores[name] for name in NAMES}, places[:, 0]


def _level(x: Tensor) -> Tensor:
    return x.mean((2, 3))


def _contrast(x: Tensor) -> Tensor:
    return (x.var((2, 3)) + 1e-4).sqrt()


def _twice(x: Tensor) -> Tensor:
    return nn.functional.interpolate(x, scale_factor=2, mode="bilinear")


def load(folder: Path, device: torch.device | str = "cpu") -> Judge:
    judge = Judge()
    judge.load_state_dict({name: value.float() for name, value in load_file(folder / FILE).items()})
    return judge.to(device).eval().requires_grad_(False)


def pixels_of(pictures: list[Array], device: torch.device | str = "cpu") -> Tensor:
    """What the judge looks at: pictures in bytes, of any size, shrunk or enlarged to its own."""
    fitted = [
        one
        if one.shape[:2] == (NATIVE, NATIVE)
        else cv2.resize(one, (NATIVE, NATIVE), interpolation=cv2.INTER_AREA)
        for one in pictures
    ]
    return torch.tensor(np.stack(fitted), device=device).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.inference_mode()
def verdicts(judge: Judge, pictures: list[Array], device: torch.device | str = "cpu") -> dict[str, Array]:
    """For each head, what it says of every picture: indices into NAMES."""
    told: dict[str, list[Array]] = {name: [] for name in NAMES}
    for k in range(0, len(pictures), 64):
        scores, _ = judge(pixels_of(pictures[k : k + 64], device))
        for name, score in scores.items():
            told[name].append(score.argmax(1).cpu().numpy())
    return {name: np.concatenate(parts) for name, parts in told.items()}
