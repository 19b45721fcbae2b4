"""How a run's time divides."""

import re

import pytest

from engine.runs import store
from engine.vae import codec
from lab.bench.speed import print_profile
from tests.support.planning import small_recipe


def test_the_parts_of_a_run_make_up_the_whole_and_are_no_longer_timed_after_it(model, tmp_path, capsys):
    functions = codec.preview, store.write_stage, model.unet.forward, model.vae.decode
    print_profile(model, small_recipe(), tmp_path)
    shares = dict(re.findall(r"^(\w+) .* ([\d.]+)%$", capsys.readouterr().out, re.MULTILINE))
    assert list(shares) == ["network", "VAE", "previews", "files", "rest"]
    assert sum(map(float, shares.values())) == pytest.approx(100, abs=0.5)
    assert all(float(share) > 0 for share in shares.values())
    assert (codec.preview, store.write_stage, model.unet.forward, model.vae.decode) == functions
