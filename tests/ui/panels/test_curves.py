"""The curves of a stage, and the sentence that they amount to."""

from xml.etree import ElementTree

import pytest

from engine import Recipe, plan
from tests.support.planning import make_facts
from ui.panels.curves import curve_steps, curves_svg, describe_curves

TOY = make_facts(window=32, channels=8)


def stage(number=2, scales=(1, 2, 4), **recipe):
    return plan(Recipe(scales=scales, **recipe), TOY).stages[number - 1]


def parse_svg(*arguments, **recipe):
    return ElementTree.fromstring(curves_svg(stage(*arguments, **recipe)))


def lines(svg):
    return [[float(p.split(",")[1]) for p in line.get("points").split()] for line in svg.iter("polyline")]


def texts(svg):
    return [element.text for element in svg.iter("text")]


def test_the_sentence_of_the_defaults():
    assert describe_curves(stage()) == (
        "Lets go of the layout at step 24 of 50; looks at the whole until step 42; smooths until step 34."
    )


def test_the_clauses_are_the_steps_at_which_the_schedule_crosses_their_bounds():
    schedule = stage().schedule
    assert schedule.survival[22] < 0.5 <= schedule.survival[23]
    assert schedule.c2[41] >= 0.05 > schedule.c2[42]
    assert schedule.blur[33] > 0 == schedule.blur[34]


@pytest.mark.parametrize(
    ("recipe", "words"),
    [
        ({"alpha1": 1}, "Lets go of the layout at step 37 of 50; "),
        ({"alpha1": 5}, "Lets go of the layout at step 18 of 50; "),
        ({"alpha1": 0}, "Holds the layout through all 50 steps; "),
        ({"skip_residual": False}, "Remembers the layout only in its first noise; "),
        ({"alpha2": 0}, "; looks at the whole to the end; smooths until step 34."),
        ({"alpha1": 0, "alpha2": 5}, "; hardly looks at the whole."),
        ({"dilated": False}, "; never looks at the whole."),
        ({"scales": (1, 1.2)}, "; never looks at the whole."),
        ({"sigma1": 0, "sigma2": 0}, "; never smooths."),
        ({"sigma1": 2, "alpha3": 0.5}, "; smooths all the while."),
        ({"steps": 8}, "Lets go of the layout at step 4 of 8; "),
    ],
)
def test_the_sentence_follows_the_settings(recipe, words):
    assert words in describe_curves(stage(**recipe))


def test_as_published_smoothing_ends_where_it_changes_nothing_any_more():
    assert curve_steps(stage(faithful=True, scales=())).last_smoothed == 34


def test_a_base_has_no_curves_and_says_where_the_settings_act():
    assert curves_svg(stage(1)) == ""
    assert describe_curves(stage(1, scales=(1,))) == "These settings act from stage 2 on."


def test_the_curves_are_the_formulas_at_every_step():
    hold, whole, release, smoothing = lines(parse_svg(alpha3=2))
    assert len(hold) == len(whole) == len(release) == len(smoothing) == 50
    # t = 581, step 20 of 50: c = 0.6257; 80 px high, from 88 upwards; the blur of at most 2 cells.
    assert hold[20] == pytest.approx(88 - 80 * 0.6257**3, abs=0.1)
    assert whole[20] == pytest.approx(88 - 80 * 0.6257, abs=0.1)
    assert release[20] == pytest.approx(88 - 80 * 0.6257**2, abs=0.1)
    assert smoothing[20] == pytest.approx(88 - 80 * (0.792 * 0.6257**2 + 0.008) / 2, abs=0.1)


def test_the_steps_that_economy_leaves_out_are_shaded():
    shade = next(parse_svg().iter("rect"))
    assert float(shade.get("width")) == pytest.approx((266 - 8) * 13 / 50, abs=0.1)
    assert "left out" in texts(parse_svg())
    assert "left out" not in texts(parse_svg(economy=0))


def test_curves_that_a_stage_lacks_are_not_drawn():
    assert texts(parse_svg(economy=0)) == ["α₁", "α₂", "α₃", "σ", "whole", "windows"]
    assert texts(parse_svg(economy=0, dilated=False)) == ["α₁", "windows"]
    assert texts(parse_svg(economy=0, skip_residual=False)) == ["α₂", "α₃", "σ", "whole", "windows"]


def test_curves_differ_in_more_than_colour():
    dashes = [line.get("stroke-dasharray") for line in parse_svg().iter("polyline")]
    assert len(set(dashes)) == 4


def test_a_reader_that_does_not_see_hears_the_sentence():
    svg = parse_svg()
    assert svg.get("role") == "img"
    assert svg.find("title").text == "Stage 2 over its 50 steps"
    assert svg.find("desc").text == describe_curves(stage())


def test_a_title_cannot_add_elements():
    svg = ElementTree.fromstring(curves_svg(stage(), name="</title><script>alert(1)</script>"))
    assert svg.find("title").text == "</title><script>alert(1)</script>"
    assert not list(svg.iter("script"))


@pytest.mark.parametrize("alphas", [(0, 0, 0), (5, 5, 5), (1, 1, 1), (0, 5, 0)])
def test_labels_stay_inside_and_apart(alphas):
    svg = parse_svg(**dict(zip(("alpha1", "alpha2", "alpha3"), alphas, strict=True)), sigma1=2)
    places = [(float(t.get("x")), float(t.get("y"))) for t in svg.iter("text") if t.text[0] in "ασ"]
    assert all(0 <= x <= 310 and 8 <= y <= 92 for x, y in places)
    assert all(abs(a[0] - b[0]) > 10 or abs(a[1] - b[1]) > 8 for a in places for b in places if a is not b)
