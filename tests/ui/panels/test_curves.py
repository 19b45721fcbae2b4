"""Tests of the curves of a stage and of the sentence that describes them."""

from xml.etree import ElementTree

import pytest

from engine import Recipe, plan
from tests.support.planning import make_facts
from ui.panels.curves import curve_steps, curves_svg, describe_curves

TOY = make_facts(window=32, channels=8)


def stage(number=2, scales=(1, 2, 4), **recipe):
    """Plan a recipe and return one of its stages."""
    return plan(Recipe(scales=scales, **recipe), TOY).stages[number - 1]


def parse_svg(*arguments, **recipe):
    """Draw the curves of a stage and return the parsed SVG; the arguments are those of stage()."""
    return ElementTree.fromstring(curves_svg(stage(*arguments, **recipe)))


def line_heights(svg):
    """Return the y coordinates of the points of each line."""
    return [[float(p.split(",")[1]) for p in line.get("points").split()] for line in svg.iter("polyline")]


def texts(svg):
    """Return all texts of the SVG."""
    return [element.text for element in svg.iter("text")]


def test_the_sentence_for_the_default_settings():
    assert describe_curves(stage()) == (
        "Free of the smaller picture from step 24 of 50; sees the whole picture until step 42; smooths until step 34."
    )


def test_the_sentence_names_the_steps_at_which_the_schedule_crosses_its_thresholds():
    schedule = stage().schedule
    assert schedule.survival[22] < 0.5 <= schedule.survival[23]
    assert schedule.c2[41] >= 0.05 > schedule.c2[42]
    assert schedule.blur[33] > 0 == schedule.blur[34]


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"alpha1": 1}, "Free of the smaller picture from step 37 of 50; "),
        ({"alpha1": 5}, "Free of the smaller picture from step 18 of 50; "),
        ({"alpha1": 0}, "Follows the smaller picture through all 50 steps; "),
        ({"skip_residual": False}, "Uses the smaller picture only for the first noise; "),
        ({"alpha2": 0}, "; sees the whole picture in all steps; smooths until step 34."),
        ({"alpha1": 0, "alpha2": 5}, "; hardly sees the whole picture."),
        ({"dilated": False}, "; never sees the whole picture."),
        ({"scales": (1, 1.2)}, "; never sees the whole picture."),
        ({"sigma1": 0, "sigma2": 0}, "; never smooths."),
        ({"sigma1": 2, "alpha3": 0.5}, "; smooths in all these steps."),
        (
            {"options": {"restart": 0.6}},
            "Starts at step 21 of 50, from the enlarged picture; free of the smaller picture from step 24 of 50; ",
        ),
        (
            {"options": {"restart": 0.4}},
            "Starts at step 31 of 50, from the enlarged picture; sees the whole ",
        ),
        ({"steps": 8}, "Free of the smaller picture from step 4 of 8; "),
    ],
)
def test_the_sentence_changes_with_the_settings(recipe, expected):
    assert expected in describe_curves(stage(**recipe))


def test_in_faithful_mode_smoothing_ends_where_the_blur_changes_nothing_any_more():
    assert curve_steps(stage(faithful=True, scales=())).last_smoothed_step == 34


def test_a_base_has_no_curves_and_its_sentence_says_that_the_settings_act_from_stage_two():
    assert curves_svg(stage(1)) == ""
    assert describe_curves(stage(1, scales=(1,))) == "These settings take effect from stage 2 on."


def test_the_curves_show_the_value_of_the_formulas_at_every_step():
    hold, whole, release, smoothing = line_heights(parse_svg(alpha3=2))
    assert len(hold) == len(whole) == len(release) == len(smoothing) == 50
    # At step 20 of 50, t = 581 and c = 0.6257. A curve of value 0 is at y = 88 and of value 1 at y = 8.
    # The blur is drawn as a fraction of 2 cells.
    assert hold[20] == pytest.approx(88 - 80 * 0.6257**3, abs=0.1)
    assert whole[20] == pytest.approx(88 - 80 * 0.6257, abs=0.1)
    assert release[20] == pytest.approx(88 - 80 * 0.6257**2, abs=0.1)
    assert smoothing[20] == pytest.approx(88 - 80 * (0.792 * 0.6257**2 + 0.008) / 2, abs=0.1)


def test_the_steps_that_economy_skips_are_shaded():
    shade = next(parse_svg().iter("rect"))
    assert float(shade.get("width")) == pytest.approx((266 - 8) * 13 / 50, abs=0.1)
    assert "skipped" in texts(parse_svg())
    assert "left out" not in texts(parse_svg(economy=0))


def test_curves_without_effect_on_a_stage_are_not_drawn():
    assert texts(parse_svg(economy=0)) == ["α₁", "α₂", "α₃", "σ", "whole", "windows"]
    assert texts(parse_svg(economy=0, dilated=False)) == ["α₁", "windows"]
    assert texts(parse_svg(economy=0, skip_residual=False)) == ["α₂", "α₃", "σ", "whole", "windows"]


def test_curves_differ_in_more_than_colour():
    dashes = [line.get("stroke-dasharray") for line in parse_svg().iter("polyline")]
    assert len(set(dashes)) == 4


def test_a_screen_reader_finds_a_title_and_the_sentence():
    svg = parse_svg()
    assert svg.get("role") == "img"
    assert svg.find("title").text == "Stage 2 over its 50 steps"
    assert svg.find("desc").text == describe_curves(stage())


def test_a_title_cannot_add_elements():
    svg = ElementTree.fromstring(curves_svg(stage(), name="</title><script>alert(1)</script>"))
    assert svg.find("title").text == "</title><script>alert(1)</script>"
    assert not list(svg.iter("script"))


@pytest.mark.parametrize("alphas", [(0, 0, 0), (5, 5, 5), (1, 1, 1), (0, 5, 0)])
def test_labels_are_inside_the_picture_and_do_not_overlap(alphas):
    svg = parse_svg(**dict(zip(("alpha1", "alpha2", "alpha3"), alphas, strict=True)), sigma1=2)
    positions = [(float(t.get("x")), float(t.get("y"))) for t in svg.iter("text") if t.text[0] in "ασ"]
    assert all(0 <= x <= 310 and 8 <= y <= 92 for x, y in positions)
    assert all(
        abs(a[0] - b[0]) > 10 or abs(a[1] - b[1]) > 8 for a in positions for b in positions if a is not b
    )
