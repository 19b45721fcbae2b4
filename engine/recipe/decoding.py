"""Decode the images of visitors in separate processes with limits of memory and time. No torch.

An image can be made so that a decoder needs minutes or gigabytes for it. Such an image costs one process, which is
killed and replaced, and its visitor gets a message. Each image is decoded once: its copy, its digest and its size
come from the same px.
"""

import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import finalize

from engine import errors
from engine.errors import BadRecipe, short_repr
from engine.recipe import images

# Limits for one image: of the address space in bytes, and of time in seconds.
MEMORY, SECONDS = 2 << 30, 20
# The number of images that are decoded at the same time for all visitors.
PROCESSES = 2
# The folder that contains the package `engine`.
_PACKAGES = Path(__file__).parents[2]


@dataclass(frozen=True)
class Decoded:
    """A decoded image."""

    # Its digest, see images.digest.
    digest: str
    # (height, width) in px.
    size: tuple[int, int]


class ImageDecoder:
    """Decodes images in a few processes, which start when they are first needed."""

    def __init__(self, processes: int = PROCESSES, memory: int = MEMORY, seconds: int = SECONDS) -> None:
        """Create a decoder. memory, seconds: the limits for one image, in bytes and seconds."""
        self.memory, self.seconds = memory, seconds
        # Processes that wait for an image.
        self._idle: list[subprocess.Popen[str]] = []
        self._turns = threading.BoundedSemaphore(processes)
        self._lock = threading.Lock()
        finalize(self, _end_all, self._idle)

    def convert(self, source: images.ImagePath, target: Path) -> Decoded:
        """Store an image as a PNG of upright RGB, and return its digest and size. Waits for its turn.

        Raise BadRecipe if the image cannot be read within the limits, and OSError if the copy cannot be written. Then
        nothing is left at the target.
        """
        with self._turns:
            process = self._take_process()
            line = _ask(process, {"source": str(source), "target": str(target)}, self.seconds)
            if line:
                self._idle.append(process)
            else:
                process.wait()
        too_costly = {"sentence": errors.PICTURE_TOO_COSTLY.format(name=short_repr(Path(source).name))}
        answer: dict[str, Any] = json.loads(line) if line else too_costly
        if "digest" not in answer:
            target.unlink(missing_ok=True)
            if "reason" in answer:
                raise OSError(answer["reason"])
            raise BadRecipe("image", answer["sentence"])
        height, width = answer["size"]
        return Decoded(answer["digest"], (height, width))

    def _take_process(self) -> subprocess.Popen[str]:
        """Return an idle process, or start one."""
        with self._lock:
            while self._idle:
                process = self._idle.pop()
                if process.poll() is None:
                    return process
        return _start_process(self.memory, self.seconds)


def _start_process(memory: int, seconds: int) -> subprocess.Popen[str]:
    """Start a process that decodes images."""
    paths = [str(_PACKAGES), *filter(None, [os.environ.get("PYTHONPATH")])]
    # Each of OpenBLAS's threads would take address space.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "engine.recipe.decoding_process", str(memory), str(seconds)]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _ask(process: subprocess.Popen[str], request: dict[str, str], seconds: int) -> str:
    """Send a request to a process and return the answer; "" if the process ends or takes longer than `seconds`."""
    assert process.stdin
    assert process.stdout
    timer = threading.Timer(seconds, process.kill)
    timer.start()
    try:
        process.stdin.write(json.dumps(request) + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:  # The process has ended.
        return ""
    finally:
        timer.cancel()


def _end_all(processes: list[subprocess.Popen[str]]) -> None:
    """End all processes."""
    for process in processes:
        process.kill()
        process.wait()
