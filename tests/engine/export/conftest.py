import pytest
from PIL import Image

from engine.runs import store
from tests.support.stored_stages import store_stage

# The side and the grey of each stage.
GREYS = {64: 40, 128: 120, 256: 200}


@pytest.fixture
def run(tmp_path):
    """Three stages, each of one grey."""
    run = store.create_run(tmp_path)
    for number, (side, grey) in enumerate(GREYS.items(), 1):
        store_stage(run, number, Image.new("RGB", (side, side), (grey,) * 3))
    return run
