"""The machine: what it is called, what memory is free, how models are placed on it, giving memory back."""

import gc
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

FULL = (
    "not enough memory",
    "allocate memory",
    "out of memory",
    "status_alloc_failed",
)
SPARED = 0.9
"""Of what is free, the share that a model may fill."""
MOST_VIEWS = {"cpu": 4, "cuda": 8}


@dataclass(frozen=True)
class Place:
    """Where a model runs. offload: its parts wait in main memory and are on the device by turns."""

    device: torch.device
    dtype: torch.dtype
    offload: bool = False
    view_batch: int = 1


@dataclass(frozen=True)
class Need:
    """Numbers of each of a model's networks, and of one guided native view and one decoded tile at work."""

    parts: Mapping[str, int]
    view: int = 0
    tile: int = 0

    def weights(self, itemsize: int, offload: bool = False) -> int:
        """Bytes on the device at once. The decoder stays in float32."""
        sizes = [n * (4 if part == "vae" else itemsize) for part, n in self.parts.items()]
        return max(sizes, default=0) if offload else sum(sizes)


def place(
    device: torch.device,
    need: Need,
    unused: int | None,
    dtype: torch.dtype | None = None,
    offload: bool | None = None,
) -> Place:
    """Number format, offloading and views at once: what is asked for, else what fits into unused bytes.

    A GPU computes in float16, a CPU in float32, or in bfloat16 where only that fits.
    """
    budget = SPARED * unused if unused is not None else float("inf")
    on_gpu = device.type != "cpu"
    if dtype is None:
        fits = need.weights(4) <= budget
        dtype = torch.float16 if on_gpu else torch.float32 if fits else torch.bfloat16
    at_work = max(need.view * dtype.itemsize, need.tile * 4)
    if offload is None:
        offload = on_gpu and need.weights(dtype.itemsize) + at_work > budget
    left = budget - need.weights(dtype.itemsize, offload)
    views = MOST_VIEWS.get(device.type, MOST_VIEWS["cpu"])
    while views > 1 and views * need.view * dtype.itemsize > left:
        views //= 2
    return Place(device, dtype, offload, views)


def name(device: torch.device) -> str:
    """What a device is called, so that its pace can be remembered."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    """Return the name of the CPU's model, such as "AMD EPYC", or of its architecture.

    On Linux platform.processor() is empty or just "x86_64", and psutil has no name at all. The kernel does,
    and it must stay the same: records of earlier runs and pace.json hold it.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def free(device: torch.device) -> int | None:
    """Return the bytes that can be allocated on a device now; None where the system does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        return psutil.virtual_memory().available
    except (OSError, RuntimeError):  # For example in a sandbox without /proc.
        return None


def is_memory(fault: BaseException) -> bool:
    """Also where torch tells of it by a plain RuntimeError: on a CPU, and from CUDA's libraries."""
    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(fault, RuntimeError) and any(sign in str(fault).lower() for sign in FULL)


def give_back(device: torch.device) -> None:
    """Returns what a run no longer needs to whoever needs it next.

    Old objects are looked through for the sake of a GPU alone: that takes a quarter of a second, in which
    nothing else goes on, and what a run leaves in a cycle is young.
    """
    gc.collect(2 if device.type == "cuda" else 1)
    if device.type == "cuda":
        torch.cuda.empty_cache()
