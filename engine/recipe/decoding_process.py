"""The process that decodes the images of visitors, within limits of memory and time. See engine/recipe/decoding.py.

Reads one request a line, {"source": path, "target": path}, and answers each with a line: {"digest", "size"}, or
{"sentence"} if the image cannot be read, or {"reason"} if the copy cannot be written.
"""

import json
import os
import sys
from typing import Any

from engine.errors import BadRecipe
from engine.recipe import images

try:
    import resource
except ImportError:  # On Windows only time is limited, by the parent process.
    resource = None

# zlib's level for the stored PNGs: they are read a few times, and higher levels take several times as long.
PNG_LEVEL = 1
# By how much the priority of this process is lower than that of the server.
NICENESS = 5


def limit_memory(limit: int) -> None:
    """Make allocations beyond `limit` bytes of address space fail."""
    if resource:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def limit_time(seconds: int) -> None:
    """End this process when it has computed for so many seconds from now; the parent may not be there to do so."""
    if resource:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        limit = int(usage.ru_utime + usage.ru_stime) + seconds + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def convert(source: str, target: str) -> dict[str, Any]:
    """Decode an image once, and store it as a PNG of upright RGB. Return its digest and its size."""
    image = images.read(source)
    image.save(target, "PNG", compress_level=PNG_LEVEL)
    return {"digest": images.digest_of(image), "size": [image.height, image.width]}


def answer(request: dict[str, str]) -> dict[str, Any]:
    """Carry out a request; return its answer."""
    try:
        return convert(request["source"], request["target"])
    except BadRecipe as fault:
        return {"sentence": fault.sentence}
    except OSError as fault:
        return {"reason": fault.strerror or type(fault).__name__}


def main(memory: int, seconds: int) -> None:
    """Answer requests until the input ends. memory: in bytes. seconds: for one image."""
    if hasattr(os, "nice"):  # The server and the runs come first.
        os.nice(NICENESS)
    limit_memory(memory)
    for line in sys.stdin:
        limit_time(seconds)
        print(json.dumps(answer(json.loads(line))), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
