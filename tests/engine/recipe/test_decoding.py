"""Decoding in separate processes: what it returns, and its limits."""

import os
import signal

import pytest
from PIL import Image

from engine.errors import BadRecipe
from engine.recipe import images
from engine.recipe.decoding import ImageDecoder


@pytest.fixture
def wide_picture(tmp_path):
    """The file of a picture of 64 x 32 px."""
    file = tmp_path / "wide.png"
    Image.linear_gradient("L").resize((64, 32)).convert("RGB").save(file)
    return file


def stop_processes(decoder):
    """Stop the idle processes of a decoder, so that they never answer."""
    for process in decoder._idle:
        os.kill(process.pid, signal.SIGSTOP)


def test_a_copy_has_the_pixels_the_digest_and_the_size_of_the_image(wide_picture, tmp_path):
    decoded = ImageDecoder().convert(wide_picture, tmp_path / "copy.png")
    assert decoded.size == (32, 64)
    assert decoded.digest == images.digest(wide_picture) == images.digest(tmp_path / "copy.png")


def test_one_process_decodes_one_image_after_another(wide_picture, tmp_path):
    decoder = ImageDecoder()
    decoder.convert(wide_picture, tmp_path / "first.png")
    (process,) = decoder._idle
    decoder.convert(wide_picture, tmp_path / "second.png")
    assert decoder._idle == [process]


def test_a_process_that_takes_too_long_is_replaced(wide_picture, tmp_path):
    decoder = ImageDecoder(processes=1)
    decoder.convert(wide_picture, tmp_path / "first.png")
    (stopped,) = decoder._idle
    stop_processes(decoder)
    decoder.seconds = 1
    with pytest.raises(BadRecipe, match="takes too much time or memory"):
        decoder.convert(wide_picture, tmp_path / "second.png")
    assert stopped.poll() == -signal.SIGKILL
    assert not (tmp_path / "second.png").exists()
    decoder.seconds = 30
    assert decoder.convert(wide_picture, tmp_path / "third.png").size == (32, 64)


def test_an_image_that_needs_too_much_memory_is_refused(wide_picture, tmp_path):
    large = tmp_path / "large.png"
    # Blending it with white takes about 600 MB.
    Image.new("LA", (6200, 6200)).save(large, compress_level=1)
    decoder = ImageDecoder(memory=450 << 20)
    with pytest.raises(BadRecipe):
        decoder.convert(large, tmp_path / "copy.png")
    assert not (tmp_path / "copy.png").exists()
    assert decoder.convert(wide_picture, tmp_path / "next.png").size == (32, 64)


def test_a_full_disk_is_named(wide_picture, tmp_path):
    with pytest.raises(OSError, match="No such file or directory"):
        ImageDecoder().convert(wide_picture, tmp_path / "missing" / "copy.png")


def test_the_processes_end_with_the_decoder(wide_picture, tmp_path):
    decoder = ImageDecoder()
    decoder.convert(wide_picture, tmp_path / "copy.png")
    (process,) = decoder._idle
    del decoder
    assert process.poll() is not None
