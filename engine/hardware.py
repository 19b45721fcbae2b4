"""The machine: its name, its free memory, where and how a model fits on it, and releasing memory."""

import gc
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

# Parts of the messages by which torch and CUDA's libraries report that memory ran out.
OUT_OF_MEMORY_PHRASES = (
    "not enough memory",
    "allocate memory",
    "out of memory",
    "status_alloc_failed",
)
# The share of the free memory that a model may fill.
USABLE_SHARE = 0.9
# The largest number of views per call of the network that is chosen by itself, by type of device.
MAX_VIEW_BATCH = {"cpu": 4, "cuda": 8}


@dataclass(frozen=True)
class Placement:
    """Where and how a model runs."""

    device: torch.device
    # The number format of the weights; the VAE's stay in float32.
    dtype: torch.dtype
    # Whether networks wait in main memory and move to the device only while they are used.
    offload: bool = False
    # Views per call of the network.
    view_batch: int = 1


@dataclass(frozen=True)
class MemoryNeed:
    """How many numbers a model keeps in memory; a number's bytes depend on the format."""

    # The parameters of each network, by the network's name.
    parameters: Mapping[str, int]
    # The activations of one evaluation of a native-sized view under classifier-free guidance.
    view_values: int = 0
    # The activations of decoding one native-sized tile.
    tile_values: int = 0

    def weight_bytes(self, itemsize: int, offload: bool = False) -> int:
        """Return the bytes of weights that are on the device at once; the VAE's are float32."""
        sizes = [count * (4 if part == "vae" else itemsize) for part, count in self.parameters.items()]
        return max(sizes, default=0) if offload else sum(sizes)


def choose_placement(
    device: torch.device,
    need: MemoryNeed,
    free_bytes: int | None,
    dtype: torch.dtype | None = None,
    offload: bool | None = None,
) -> Placement:
    """Choose number format, offloading and view batch for a model; values other than None are kept.

    A GPU computes in float16, a CPU in float32, or in bfloat16 if only that fits. Where the free memory is
    unknown, everything is assumed to fit.
    """
    budget = USABLE_SHARE * free_bytes if free_bytes is not None else float("inf")
    on_gpu = device.type != "cpu"
    if dtype is None:
        fits_float32 = need.weight_bytes(4) <= budget
        cpu_dtype = torch.float32 if fits_float32 else torch.bfloat16
        dtype = torch.float16 if on_gpu else cpu_dtype
    activations = max(need.view_values * dtype.itemsize, need.tile_values * 4)
    if offload is None:
        offload = on_gpu and need.weight_bytes(dtype.itemsize) + activations > budget
    left = budget - need.weight_bytes(dtype.itemsize, offload)
    view_batch = MAX_VIEW_BATCH.get(device.type, MAX_VIEW_BATCH["cpu"])
    while view_batch > 1 and view_batch * need.view_values * dtype.itemsize > left:
        view_batch //= 2
    return Placement(device, dtype, offload, view_batch)


def device_name(device: torch.device) -> str:
    """Return a device's name, under which its speed is remembered."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor_name()}, {torch.get_num_threads()} threads"


def _processor_name() -> str:
    """Return the name of the CPU's model, such as "AMD EPYC", or of its architecture.

    On Linux platform.processor() is empty or just "x86_64", and psutil has no name at all. The kernel does,
    and it must stay the same: records of earlier runs and pace.json hold it.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that can be allocated on a device now; None where the system does not say."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        return psutil.virtual_memory().available
    except (OSError, RuntimeError):  # For example in a sandbox without /proc.
        return None


def is_out_of_memory(fault: BaseException) -> bool:
    """Return whether an exception means that memory ran out.

    On a CPU and from CUDA's libraries torch raises a plain RuntimeError, known by its message.
    """
    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(fault).lower()
    return isinstance(fault, RuntimeError) and any(phrase in message for phrase in OUT_OF_MEMORY_PHRASES)


def release_memory(device: torch.device) -> None:
    """Free the memory of objects that are no longer referenced, and torch's cache on a GPU.

    On a CPU the oldest generation of objects is not searched: that takes a quarter of a second, and reference
    cycles that a run leaves behind are young.
    """
    gc.collect(2 if device.type == "cuda" else 1)
    if device.type == "cuda":
        torch.cuda.empty_cache()
