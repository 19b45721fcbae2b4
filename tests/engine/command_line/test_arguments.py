"""The arguments of the command line, and settings written as options."""

import pytest

from engine.command_line.arguments import WrongUsage, build_parser, format_options, parse_arguments
from engine.command_line.recipes import build_recipe
from engine.recipe.options import OPTIONS
from engine.recipe.recipe import SETTINGS
from tests.support.processes import run_without_modules


def test_help_and_list_of_models_need_no_torch():
    code = """
import runpy
from engine.command_line.arguments import build_parser
print(build_parser().format_help())
sys.argv[1:] = ["--list-models"]
runpy.run_module("engine", run_name="__main__")
"""
    done = run_without_modules(["torch", "diffusers", "transformers"], code)
    assert done.returncode == 0, done.stderr
    assert "exit codes:" in done.stdout
    assert "SDXL base 1.0" in done.stdout


def test_every_setting_and_option_of_a_recipe_has_an_argument():
    names = {action.dest for action in build_parser()._actions}
    assert set(SETTINGS) - {"options"} | set(OPTIONS) <= names


def test_help_names_range_default_and_methods_of_a_setting():
    text = " ".join(build_parser().format_help().split())
    assert "From 0 to 1. Default: 0. Read by demofusion, sdedit, relay." in text


def test_only_settings_that_are_given_are_in_the_namespace():
    given = vars(parse_arguments(["a red house", "--seed", "7", "--no-dilated"]))
    assert {name: given[name] for name in given if name in SETTINGS} == {
        "prompt": "a red house",
        "seed": "7",
        "dilated": False,
    }


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "Give a prompt"),
        (["--scales", "1,2"], "Give a prompt"),
        (["a", "red", "house"], "quotation marks"),
        (["a house", "--guidanse", "4"], "There is no option --guidanse. Did you mean --guidance?"),
        (["a house", "--guidance-=4"], "Did you mean --guidance?"),
        (["a house", "--zzzz"], "There is no option --zzzz."),
        (["a house", "--seed"], "--seed"),
        (["a house", "--resume", "runs/1"], "--resume"),
    ],
)
def test_wrong_arguments_are_refused_with_a_sentence(words, sentence):
    with pytest.raises(WrongUsage) as refused:
        parse_arguments(words)
    assert sentence in refused.value.sentence


def test_settings_are_written_as_options():
    settings = {"scales": (1.0, 2.0, 3.9062), "faithful": False, "method": "sdedit", "width": None}
    assert format_options(settings) == "--scales 1,2,3.9062 --no-faithful --method sdedit"
    assert (
        format_options({"options": (("bent_until", 0.5), ("windowed", True))})
        == "--bent-until 0.5 --windowed"
    )


def test_settings_written_as_options_are_read_back():
    settings = {
        "width": 1024,
        "height": 768,
        "jitter": False,
        "options": (("unblur", 0.0), ("views", "whole")),
    }
    recipe = build_recipe(parse_arguments(["a house", *format_options(settings).split()])).recipe
    assert {name: getattr(recipe, name) for name in settings} == settings
