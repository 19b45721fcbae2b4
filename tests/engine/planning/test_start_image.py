"""A stage that starts from an image: its size, schedule, key and anchor."""

import numpy as np
import pytest
from PIL import Image

from engine import BadRecipe, errors, plan
from engine.formulas.schedule import stage_schedule
from engine.recipe import images
from engine.recipe.recipe import Recipe
from engine.runs import keys
from engine.vae import codec
from tests.support.pictures import save_squares
from tests.support.planning import make_facts, small_recipe
from tests.support.run_results import run_latents, run_with_cache

SDXL = make_facts()


def save_picture(path, width, height):
    Image.new("RGB", (width, height)).save(path)
    return str(path)


@pytest.mark.parametrize(
    ("width", "height", "sizes"),
    [
        (300, 300, [(1024, 1024), (2048, 2048)]),
        (600, 400, [(840, 1256), (1672, 2512)]),
        (3, 4, [(1184, 888), (2368, 1776)]),
        (900, 100, [(512, 2048), (1024, 4096)]),
        (1, 200, [(2048, 512), (4096, 1024)]),
    ],
)
def test_a_start_image_gives_its_shape_up_to_four_to_one(width, height, sizes, tmp_path):
    recipe = Recipe(image=save_picture(tmp_path / "p.png", width, height), scales=(1, 2))
    planned = plan(recipe, SDXL)
    assert [stage.size for stage in planned.stages] == sizes
    assert plan(planned.recipe, SDXL).recipe == planned.recipe


def test_its_size_is_scaled_like_any_other(tmp_path):
    image = save_picture(tmp_path / "p.png", 600, 400)
    planned = plan(Recipe(image=image), SDXL)
    same = plan(Recipe(width=planned.recipe.width, height=planned.recipe.height), SDXL)
    assert planned.recipe.scales == same.recipe.scales
    assert plan(Recipe(image=image, width=2048, height=2048), SDXL).stages[-1].size == (2048, 2048)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"image": "sha256:" + "0" * 64}, errors.PICTURE_GONE),
        ({"faithful": True, "scales": (1, 2, 3, 4)}, errors.FAITHFUL_PICTURE),
        ({"image": "no/such/file.png"}, errors.PICTURE_UNREADABLE.format(name="'file.png'")),
    ],
)
def test_settings_that_do_not_fit_a_start_image_are_refused(changes, sentence, photo):
    with pytest.raises(BadRecipe) as fault:
        plan(Recipe(**{"image": photo} | changes), SDXL)
    assert (fault.value.field, fault.value.sentence) == ("image", sentence)


def schedules(photo, **changes):
    stages = plan(Recipe(**{"image": photo, "scales": (1, 2), "scheduler": "ddim"} | changes), SDXL).stages
    return [stage.schedule for stage in stages]


def test_half_fidelity_is_the_papers_pull_at_every_stage_and_the_first(photo):
    first, second = schedules(photo, fidelity=0.5)
    plain = plan(Recipe(scales=(1, 2), scheduler="ddim"), SDXL).stages[1].schedule
    assert np.array_equal(first.c1, plain.c1)
    assert np.array_equal(second.c1, plain.c1)
    assert first.first == second.first == plain.first
    assert (first.dilated_steps, first.window_steps) == (0, 50 - plain.first)


def test_fidelity_is_an_exponent_of_the_pull(photo):
    (pulled, _), t = schedules(photo, fidelity=0.75), schedules(photo)[0].t
    alphas, sigmas = (1.0, 1.0, 1.0), (0.8, 0.008)
    firm = stage_schedule(t, 1000, alphas, sigmas, 0.005, skip_residual=True, dilated=False, faithful=False)
    assert pulled.c1 == pytest.approx(firm.c1)


def test_full_fidelity_pulls_fully_and_zero_not_at_all(photo):
    for held, free in zip(schedules(photo, fidelity=1), schedules(photo, fidelity=0), strict=True):
        assert held.c1 == pytest.approx(1)
        assert not free.c1.any()
        assert (len(held.steps), len(free.steps)) == (1, 50)


def keys_of(photo, **changes):
    recipe = Recipe(**{"image": photo, "scales": (1, 2, 4), "scheduler": "ddim"} | changes)
    return keys.stage_keys(plan(recipe, SDXL).stages)


@pytest.mark.parametrize(
    "changes", [{"alpha1": 2}, {"economy": 0}, {"fidelity": 0.6}, {"skip_residual": False}, {"image": None}]
)
def test_settings_that_the_first_stage_uses_with_a_start_image_are_in_its_key(changes, photo):
    size = {"width": 4096, "height": 4096}
    assert not set(keys_of(photo, **size | changes)) & set(keys_of(photo, **size))


def test_settings_that_it_does_not_use_are_not_in_its_key(photo):
    assert keys_of(photo, alpha2=2, jitter=False, sigma1=1)[0] == keys_of(photo)[0]
    assert keys_of(photo, fidelity=1, alpha1=2) == keys_of(photo, fidelity=1)


def test_a_copy_of_the_image_has_the_same_key_and_other_pixels_another(photo, tmp_path):
    Image.open(photo).save(tmp_path / "copy.tiff", description="else")
    Image.open(photo).rotate(180).save(tmp_path / "other.png")
    assert keys_of(str(tmp_path / "copy.tiff")) == keys_of(photo)
    assert not set(keys_of(str(tmp_path / "other.png"))) & set(keys_of(photo))


def encode_photo(model, photo, side):
    image = images.crop_to_fill(images.read(photo), (side, side))
    return codec.encode(model.vae, image, model.facts.window)


@pytest.fixture
def encoded_sizes(monkeypatch):
    """The sizes, in px, at which the start image was encoded so far."""
    sizes, encode = [], codec.encode

    def record_size(vae, image, *more):
        sizes.append(image.size)
        return encode(vae, image, *more)

    monkeypatch.setattr(codec, "encode", record_size)
    return sizes


@pytest.mark.parametrize(
    ("side", "sizes"),
    [
        (64, [(128, 128)]),
        (128, [(128, 128)]),
        (160, [(128, 128), (192, 192)]),
        (192, [(128, 128), (192, 192)]),
        (224, [(128, 128), (192, 192), (256, 256)]),
    ],
)
def test_stages_start_from_the_image_while_it_is_larger_than_the_stage_below(
    side, sizes, model, encoded_sizes, tmp_path
):
    image = save_squares(tmp_path / "p.png", side, side)
    run_with_cache(small_recipe(image=image, scales=(1, 1.5, 2), fidelity=1), model, tmp_path)
    assert encoded_sizes == sizes


def test_of_a_long_image_only_the_cropped_part_counts(model, encoded_sizes, tmp_path):
    image = save_squares(tmp_path / "p.png", 128, 1024)
    run_with_cache(
        small_recipe(image=image, width=256, height=256, scales=(1, 2), fidelity=1), model, tmp_path
    )
    assert encoded_sizes == [(128, 128)]


def test_the_first_stage_with_a_start_image_draws_the_noise_of_a_later_stage(model, photo, tmp_path):
    class Given:
        def __init__(self):
            self.requests = []

        def base(self, shape):
            raise AssertionError

        def stage(self, scale, shape):
            self.requests.append((scale, shape))
            return np.zeros(shape)

    drawn = Given()
    run_with_cache(small_recipe(image=photo), model, tmp_path, noise=drawn)
    assert drawn.requests == [(1.0, (1, 4, 16, 16)), (2.0, (1, 4, 32, 32))]


def test_more_fidelity_is_closer_to_the_start_image(model, photo, tmp_path):
    anchor = encode_photo(model, photo, 128).numpy()
    recipes = [
        small_recipe(image=photo, scales=(1,), fidelity=f, steps=10) for f in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    made = [run_latents(recipe, model, tmp_path)[0] for recipe in recipes]
    distances = [float(np.square(latent - anchor).mean()) for latent in made]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 0.1 * distances[0]
