"""The machine: what it is called, what memory is free, and giving memory back."""

import gc
import os
import platform
from pathlib import Path

import torch

MEMORY = Path("/proc/meminfo")
FULL = (
    "not enough memory",
    "allocate memory",
    "out of memory",
    "status_alloc_failed",
)
PROCESSORS = Path("/proc/cpuinfo")


def name(device: torch.device) -> str:
    """What a device is called, so that its pace can be remembered."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor()}, {torch.get_num_threads()} threads"


def _processor() -> str:
    try:
        lines = PROCESSORS.read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def free(device: torch.device) -> int | None:
    """Bytes that can be had now; None where nobody says."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    try:
        for line in MEMORY.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def is_memory(fault: BaseException) -> bool:
    """Also where torch tells of it by a plain RuntimeError: on a CPU, and from CUDA's libraries."""
    if isinstance(fault, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(fault, RuntimeError) and any(sign in str(fault).lower() for sign in FULL)


def give_back(device: torch.device) -> None:
    """Returns what a run no longer needs to whoever needs it next."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
