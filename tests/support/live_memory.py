"""The memory that tensors take during a call."""

import gc
import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that exist, and their maximum."""

    def __init__(self):
        super().__init__()
        self.known, self.current, self.maximum = set(), 0, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, torch.Tensor):
                self.add(tensor.untyped_storage())
        self.maximum = max(self.maximum, self.current)
        return out

    def add(self, storage, size=None):
        key = storage._cdata
        if key in self.known:
            return
        size = storage.nbytes() if size is None else size
        self.known.add(key)
        self.current += size
        weakref.finalize(storage, self.discard, key, size)

    def discard(self, key, size):
        self.known.discard(key)
        self.current -= size


def measure_peak(work, *modules):
    """Call a function and return the most bytes of tensors during it, without the weights of these modules."""
    gc.collect()
    live_bytes = LiveBytes()
    for module in modules:
        for parameter in module.parameters():
            live_bytes.add(parameter.untyped_storage(), 0)
    with torch.inference_mode(), live_bytes:
        work()
    return live_bytes.maximum
