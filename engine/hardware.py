"""The machine's devices: their names, their free memory, and how a model fits on them."""

import gc
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

# Phrases in the messages of torch and of CUDA's libraries that mean that memory ran out.
OUT_OF_MEMORY_PHRASES = (
    "not enough memory",
    "allocate memory",
    "out of memory",
    "status_alloc_failed",
)
# The fraction of the free memory that a model may fill.
USABLE_FRACTION = 0.9
# The largest number of views per call of the network that choose_placement chooses, by type of device.
MAX_VIEW_BATCH = {"cpu": 8, "cuda": 8}


@dataclass(frozen=True)
class Placement:
    """The device of a model, with the number format and the batch size that fit there."""

    # The device on which the model's networks run.
    device: torch.device
    # The number format of the weights, except that the VAE's weights are always float32.
    dtype: torch.dtype
    # Whether each network is kept in main memory and moved to the device only while the network is used.
    offload: bool = False
    # The number of views per call of the network.
    view_batch: int = 1


@dataclass(frozen=True)
class MemoryNeed:
    """The number of weights and activations of a model, from which the bytes follow for each number format."""

    # The number of parameters of each network, by the network's name.
    parameters: Mapping[str, int]
    # The number of activations when one native-sized view is evaluated with classifier-free guidance.
    view_activations: int = 0
    # The number of activations when the VAE decodes one native-sized tile.
    tile_activations: int = 0

    def weight_bytes(self, itemsize: int, offload: bool = False) -> int:
        """Return the most bytes that weights take on the device at one time.

        itemsize: bytes of a weight; the VAE's weights always have 4.
        offload: whether the networks are on the device one at a time, so that only the largest counts.
        """
        sizes = [count * (4 if part == "vae" else itemsize) for part, count in self.parameters.items()]
        return max(sizes, default=0) if offload else sum(sizes)


def choose_placement(
    device: torch.device,
    need: MemoryNeed,
    free_bytes: int | None,
    dtype: torch.dtype | None = None,
    offload: bool | None = None,
) -> Placement:
    """Choose number format, offloading and view batch of a model. A dtype or offload other than None is kept.

    Without one, a GPU computes in float16; a CPU computes in float32, or in bfloat16 if float32 weights do not fit.
    If `free_bytes` is None, everything is assumed to fit.
    """
    budget = USABLE_FRACTION * free_bytes if free_bytes is not None else float("inf")
    on_gpu = device.type != "cpu"
    if dtype is None:
        fits_float32 = need.weight_bytes(4) <= budget
        cpu_dtype = torch.float32 if fits_float32 else torch.bfloat16
        dtype = torch.float16 if on_gpu else cpu_dtype
    activations = max(need.view_activations * dtype.itemsize, need.tile_activations * 4)
    if offload is None:
        offload = on_gpu and need.weight_bytes(dtype.itemsize) + activations > budget
    left = budget - need.weight_bytes(dtype.itemsize, offload)
    view_batch = MAX_VIEW_BATCH.get(device.type, MAX_VIEW_BATCH["cpu"])
    while view_batch > 1 and view_batch * need.view_activations * dtype.itemsize > left:
        view_batch //= 2
    return Placement(device, dtype, offload, view_batch)


def device_name(device: torch.device) -> str:
    """Return a device's name, which is part of the key of its measured speed in pace.json."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {torch.get_num_threads()} threads"


def processor_name() -> str:
    """Return the name of the CPU's model, such as "AMD EPYC"; if unknown, the name of its architecture.

    On Linux platform.processor() is empty or just "x86_64", so the name is read from the kernel. The name must
    not change, because records of earlier runs and pace.json contain it.
    """
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def free_memory(device: torch.device) -> int | None:
    """Return the bytes that can be allocated on a device now; None if the system does not report them."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        return psutil.virtual_memory().available
    except (OSError, RuntimeError):  # For example in a sandbox without /proc.
        return None


def is_out_of_memory(fault: BaseException) -> bool:
    """Return whether an exception means that memory ran out.

    On a CPU, and for errors of CUDA's libraries, torch raises a RuntimeError; its message must be searched.
    """
    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    message = str(fault).lower()
    return isinstance(fault, RuntimeError) and any(phrase in message for phrase in OUT_OF_MEMORY_PHRASES)


def release_memory(device: torch.device) -> None:
    """Free the memory of objects that are no longer referenced and, on a GPU, torch's cache.

    On a CPU the garbage collector skips the oldest generation of objects: searching that generation takes a
    quarter of a second, and a run's reference cycles are in younger ones.
    """
    gc.collect(2 if device.type == "cuda" else 1)
    if device.type == "cuda":
        torch.cuda.empty_cache()
