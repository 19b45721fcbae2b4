"""The measurements of the VAE."""

from dataclasses import replace

from torch.nn.functional import avg_pool2d

from lab.measure import vae_quality
from lab.world.scenes import make_scene, render


def test_stars_are_counted_singly_and_lost_by_blur():
    scene = replace(make_scene(3), sky="night", horizon=-0.4)
    sky = vae_quality.to_pixels(render(scene, (256, 256)))
    found, total = vae_quality.count_stars(sky, sky)
    assert found == total
    assert 3 <= total <= 40
    blurred = avg_pool2d(sky, 15, 1, 7)
    assert vae_quality.count_stars(sky, blurred)[0] < total / 4
