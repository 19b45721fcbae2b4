"""Measures the memory of the app while visitors drop large pictures on the page.

python -m lab.bench.drop_memory URL PID [--drops 100] [--visitors 6] [--megapixels 39]

URL and PID are those of an app that runs on this machine. After every tenth of the drops it prints the peak memory of
the app's own process, and of the processes that decode pictures. The peaks should not grow.
"""

import argparse
import asyncio
import io
import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from PIL import Image

from lab.bench.visitors import Measurements, Visitor

# Seconds between two measurements of the memory.
SAMPLE_INTERVAL = 0.1
# Bytes in a gigabyte.
GB = 1e9
# In how many parts the drops are measured.
PARTS = 10
# How many different pictures are dropped.
FILES = 20


class DroppingVisitor(Visitor):
    """A visitor who drops pictures on the page."""

    async def drop(self, file: bytes) -> None:
        """Upload a file and let the page take it."""
        prefix, zone = self.config.api_prefix, self.config.drop_zone
        answer = await self.http.post(f"{prefix}/upload", files={"files": ("picture.png", file, "image/png")})
        (path,) = answer.raise_for_status().json()
        self.values[zone] = {"path": path, "meta": {"_type": "gradio.FileData"}}
        await self.call(self.config.drop, trigger=zone)


class PeakMemory:
    """The largest resident memory of a process and of its child processes, since the last reset."""

    def __init__(self, process: psutil.Process) -> None:
        self.process = process
        self.own = self.children = 0

    def reset(self) -> None:
        self.own = self.children = 0

    def sample(self) -> None:
        """Measure once."""
        self.own = max(self.own, self.process.memory_info().rss)
        children = 0
        for child in self.process.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                children += child.memory_info().rss
        self.children = max(self.children, children)

    @contextmanager
    def sampled(self) -> Iterator[None]:
        """Measure regularly until the block ends."""
        ended = threading.Event()

        def sample_until_ended() -> None:
            while not ended.wait(SAMPLE_INTERVAL):
                self.sample()

        thread = threading.Thread(target=sample_until_ended, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def encode_picture(megapixels: float, number: int) -> bytes:
    """Return a PNG with transparency, whose file is small and whose pixels are many; each number has another colour."""
    side = int(math.sqrt(megapixels * 1e6))
    file = io.BytesIO()
    Image.new("RGBA", (side, side), (number % 256, number // 256, 128, 200)).save(file, "PNG")
    return file.getvalue()


async def drop_pictures(url: str, memory: PeakMemory, drops: int, visitors: int, megapixels: float) -> None:
    """Let visitors drop pictures at the same time, and print the peaks of the memory after each part of the drops."""
    # Made before, because the server closes connections that wait for long.
    files = [encode_picture(megapixels, number) for number in range(FILES)]
    droppers = [DroppingVisitor(url, number, "", Measurements()) for number in range(visitors)]
    for each in droppers:
        await each.open_page()
    memory.sample()
    print(f"{'before':>12}  app {memory.own / GB:.2f} GB", flush=True)

    async def drop_each(numbers: Iterator[int], dropper: DroppingVisitor) -> None:
        for number in numbers:
            await dropper.drop(files[number % FILES])

    for part in range(PARTS):
        memory.reset()
        began, start, end = time.perf_counter(), drops * part // PARTS, drops * (part + 1) // PARTS
        numbers = iter(range(start, end))  # The visitors share it, so each number is dropped once.
        await asyncio.gather(*(drop_each(numbers, dropper) for dropper in droppers))
        seconds = time.perf_counter() - began
        print(
            f"{end:>6} drops  app {memory.own / GB:.2f} GB  decoding {memory.children / GB:.2f} GB  {seconds:.0f} s",
            flush=True,
        )
    for each in droppers:
        await each.http.aclose()


def main() -> None:
    parser = argparse.ArgumentParser(prog="lab.bench.drop_memory", description=__doc__)
    parser.add_argument("url", help="where the app runs, such as http://127.0.0.1:7860")
    parser.add_argument("pid", type=int, help="the number of the app's process")
    parser.add_argument("--drops", type=int, default=100)
    parser.add_argument("--visitors", type=int, default=6, help="how many drop at the same time")
    parser.add_argument("--megapixels", type=float, default=39)
    arguments = parser.parse_args()
    memory = PeakMemory(psutil.Process(arguments.pid))
    with memory.sampled():
        asyncio.run(
            drop_pictures(arguments.url, memory, arguments.drops, arguments.visitors, arguments.megapixels)
        )


if __name__ == "__main__":
    main()
