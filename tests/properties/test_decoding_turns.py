"""One visitor's picture takes long to decode; meanwhile the app answers the others, on a real server."""

import os
import signal
from concurrent.futures import as_completed
from itertools import islice

import pytest
from gradio_client import Client, handle_file

from engine import errors
from engine.recipe.decoding import ImageDecoder
from ui.session.uploads import MAX_WAITING, MAX_WAITING_PER_CLIENT

# More than the events that Gradio's queue handles at the same time.
MANY = 45
# As many as fill all places.
CLIENTS = MAX_WAITING // MAX_WAITING_PER_CLIENT


def edges_of(picture):
    """Return a control that follows the edges of a picture."""
    return {"kind": "canny", "image": handle_file(str(picture))}


@pytest.mark.parametrize("endpoint", ["/generate", "/plan"])
def test_a_picture_that_takes_long_holds_up_nobody_else(endpoint, running_app, controlnet_kinds, photo):
    decoder = running_app.services.uploads.decoder = ImageDecoder(processes=1, seconds=600)
    controls = [edges_of(photo)]
    visitor = Client(running_app.url, verbose=False)
    others = [Client(running_app.url, verbose=False, max_workers=MANY) for _ in range(CLIENTS)]
    # Starts the process that is stopped afterwards.
    visitor.predict(prompt="a red house", controls=controls, steps=4, scales=[1], api_name="/plan")
    (process,) = decoder._idle
    os.kill(process.pid, signal.SIGSTOP)
    try:
        waiting = [
            others[k % CLIENTS].submit(
                prompt="a red house", controls=controls, steps=4, scales=[1], api_name=endpoint
            )
            for k in range(MANY)
        ]
        for _ in range(3):
            assert visitor.predict(prompt="a red house", steps=4, scales=[1], api_name="/plan")["stages"]
        refused = list(islice(as_completed(job.future for job in waiting), MANY - MAX_WAITING))
        sentences = (errors.TOO_MANY_UPLOADS, errors.TOO_MANY_UPLOADS_OF_CLIENT)
        assert all(any(each in str(future.exception()) for each in sentences) for future in refused)
        assert sum(not job.done() for job in waiting) == MAX_WAITING
    finally:
        os.kill(process.pid, signal.SIGCONT)
        for job in waiting:
            job.cancel()
