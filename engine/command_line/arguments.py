"""The arguments of the command line. Most of them are made from the Settings of a recipe. No torch."""

import argparse
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NoReturn

from engine import errors
from engine.errors import Fault
from engine.methods import METHODS
from engine.recipe.controls import CONTROL_SETTINGS, MAP_KINDS
from engine.recipe.fields import Setting
from engine.recipe.options import OPTION_DEFAULTS, OPTIONS
from engine.recipe.recipe import DEFAULTS, SETTINGS

# What starts the command line.
PROGRAM = "python -m engine"
# The exit codes.
FINISHED, FAILED, WRONG_USAGE, STOPPED = 0, 1, 2, 130
DESCRIPTION = """\
Make a large picture with a diffusion model that was trained on small ones. Every stage is kept below --out, and its
picture's path is printed on standard output. A stage that is already there is not made again."""
EPILOG = f"""\
exit codes:
  {FINISHED:<5} the run has finished
  {FAILED:<5} the run has failed; standard error says why
  {WRONG_USAGE:<5} wrong usage: an unknown model or method, a wrong value, an unreadable recipe or picture
  {STOPPED:<5} stopped by Ctrl-C; finished stages are kept, and the same command continues

examples:
  {PROGRAM} "a red house on snow at night" --scales 1,2,4
  {PROGRAM} --recipe examples/first_picture.json --seed 7
  {PROGRAM} "a red house on snow" --image photo.jpg --fidelity 0.8
  {PROGRAM} "a blue boat on water" --control canny=drawing.png
"""
# What stands for an option's value in the help text, by the setting's kind.
METAVARS = {
    "text": "TEXT", "number": "NUMBER", "integer": "N", "choice": "NAME", "scales": "1,2,4", "picture": "FILE",
    "upscaler": "NAME", "numbers": "1,0.8",
}  # fmt: skip
# The same for single settings, by name.
OWN_METAVARS = {"model": "NAME"}
# Help texts that say more on the command line than the setting's own.
HELP = {
    "model": "A model in the catalogue (see --list-models), a folder, a .safetensors file or a hub id.",
    "scales": "The side of each stage as a multiple of the model's native side. The last one and the final size "
    "(--width and --height, also those in a recipe) must fit each other.",
    "enlarge": "How a stage starts from the one below: 'latent', an upscaler (see --list-models), or its file.",
}
# Settings that have arguments of another form than `--name VALUE`.
SPECIAL_SETTINGS = ("prompt", "controls", "loras", "options")


class WrongUsage(Fault):
    """A command line that cannot be carried out, because an argument is wrong."""


class _Parser(argparse.ArgumentParser):
    """A parser that raises WrongUsage where argparse would print its usage and end the process."""

    def error(self, message: str) -> NoReturn:
        raise WrongUsage(message)


def parse_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Return the arguments of a command line; raise WrongUsage if one of them is unknown or incomplete.

    Settings of the recipe are in the namespace only if they were given, and all values are texts, as they were given:
    see recipes.py.
    """
    parser = build_parser()
    arguments, unknown = parser.parse_known_args(words)
    if unknown:
        raise WrongUsage(_unknown_argument(unknown[0], parser))
    if arguments.list_models:
        return arguments
    if not arguments.recipe and not {"prompt", "image"} & set(vars(arguments)):
        raise WrongUsage(errors.PROMPT_MISSING)
    return arguments


def _unknown_argument(argument: str, parser: argparse.ArgumentParser) -> str:
    """Return the sentence about an argument that the parser does not know."""
    if not argument.startswith("-"):
        return errors.SECOND_PROMPT.format(argument=errors.short_repr(argument))
    name = argument.split("=")[0]
    known = [option for action in parser._actions for option in action.option_strings]
    return errors.NO_SUCH_ARGUMENT.format(argument=name, suggestion=suggest(name, known))


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the known name most like a misspelt one; "" if none is like it."""
    similar = get_close_matches(name, list(known), 1)
    return errors.DID_YOU_MEAN.format(name=similar[0]) if similar else ""


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} [PROMPT] [--option VALUE ...]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "prompt",
        nargs="?",
        metavar="PROMPT",
        default=argparse.SUPPRESS,
        help=f"{SETTINGS['prompt'].help} May be left out with --recipe or --image.",
    )
    _add_run_arguments(parser.add_argument_group("the run"))
    _add_model_arguments(parser.add_argument_group("the machine"))
    recipe = parser.add_argument_group("settings of the recipe, which replace those of --recipe")
    for name, setting in SETTINGS.items():
        if name not in SPECIAL_SETTINGS:
            _add_setting(recipe, name, setting, getattr(DEFAULTS, name))
    _add_list_settings(recipe)
    options = parser.add_argument_group("settings that only some methods have")
    for name, setting in OPTIONS.items():
        _add_setting(options, name, setting, getattr(OPTION_DEFAULTS, name))
    return parser


def _add_run_arguments(group: Any) -> None:
    """Add the arguments on where a run starts and ends, and on what is printed."""
    group.add_argument(
        "--recipe",
        metavar="FILE",
        help="Take the settings from a picture that was made here (.png) or from a file of settings (.json). "
        "Paths in a .json are relative to the present folder.",
    )
    group.add_argument(
        "--out",
        metavar="DIR",
        default="runs",
        help="The folder of all runs; default: runs. Stages that are there already are used again. "
        "The app removes old runs from its own folder.",
    )
    group.add_argument(
        "--quality",
        metavar="NAME",
        help="A preset of steps, redraw strength and dilated views: draft, standard or fine. Settings that are given "
        "here replace it. Default: the model's own, if there is no --recipe.",
    )
    group.add_argument("--until", metavar="STAGE", help="End after this stage, counted from 1.")
    group.add_argument(
        "--resume",
        nargs=2,
        metavar=("RUN", "STAGE"),
        help="Continue from a stage of a run's folder, also if other settings made it. "
        "(A run that was stopped continues by itself: give the same command again.)",
    )
    group.add_argument(
        "--list-models",
        action="store_true",
        help="List the models and the upscalers, and what is here of them.",
    )
    group.add_argument("--quiet", action="store_true", help="Print no progress and no notes, only errors.")
    group.add_argument("--verbose", action="store_true", help="Print the engine's log, with tracebacks.")


def _add_model_arguments(group: Any) -> None:
    """Add the arguments that say how the model is loaded."""
    group.add_argument(
        "--device",
        default="auto",
        metavar="NAME",
        help="cpu, cuda, cuda:1, ...; default: auto, a GPU if any.",
    )
    group.add_argument(
        "--dtype",
        default="auto",
        metavar="NAME",
        help="The number format of the network: float32, float16 or bfloat16; default: auto, the fastest.",
    )
    group.add_argument(
        "--offload",
        action=argparse.BooleanOptionalAction,
        help="Keep each network in main memory while it is not used; default: by the free memory.",
    )


def _add_setting(group: Any, name: str, setting: Setting, default: Any) -> None:
    """Add the option of one setting of a recipe."""
    help_text = describe_setting(name, setting, default).replace("%", "%%")
    form: dict[str, Any] = (
        {"action": argparse.BooleanOptionalAction}
        if setting.kind == "flag"
        else {"metavar": OWN_METAVARS.get(name, METAVARS[setting.kind])}
    )
    group.add_argument(option_name(name), default=argparse.SUPPRESS, help=help_text, **form)


def _add_list_settings(group: Any) -> None:
    """Add the options of settings that are lists, which may be given several times."""
    group.add_argument(
        "--control",
        action="append",
        dest="controls",
        metavar="KIND=FILE",
        default=argparse.SUPPRESS,
        help=f"{SETTINGS['controls'].help} KIND: {', '.join(MAP_KINDS)}. Or JSON with any of "
        f'{", ".join(CONTROL_SETTINGS)}: \'{{"kind": "canny", "image": "a.png", "scale": 0.8}}\'. '
        "May be given several times.",
    )
    group.add_argument(
        "--lora",
        action="append",
        dest="loras",
        metavar="NAME=STRENGTH",
        default=argparse.SUPPRESS,
        help="A LoRA in the catalogue, a .safetensors file or a file on the hub, with its strength; "
        "without one: 1. May be given several times.",
    )


def option_name(name: str) -> str:
    """Return the option of a setting, such as "--guidance-rescale" for "guidance_rescale"."""
    return "--" + name.replace("_", "-")


def describe_setting(name: str, setting: Setting, default: Any) -> str:
    """Return the help text of a setting's option: its meaning, allowed values, default, and who reads it."""
    meaning = HELP.get(name) or f"{_describe_label(name, setting.label)}{setting.help}"
    parts = [meaning, _allowed_values(setting), _describe_default(default)]
    readers = [method for method, row in METHODS.items() if name in row.reads]
    parts.append(f"Read by {', '.join(readers)}." if readers else "")
    return " ".join(filter(None, parts))


def _describe_label(name: str, label: str) -> str:
    """Return the title of a setting as a sentence; "" if it only repeats the setting's name.

    Greek letters are left out, because not every terminal can show them.
    """
    label = label.encode("ascii", "ignore").decode().strip()
    return "" if label.lower().replace(" ", "_") == name else f"{label}. "


def _allowed_values(setting: Setting) -> str:
    """Return the sentence on the values that a setting may have; "" if any value of its kind is allowed."""
    if setting.choices:
        return f"One of {', '.join(filter(None, setting.choices))}."
    if setting.low is not None:
        return f"From {setting.low:.10g} to {setting.high:.10g}."
    return ""


def _describe_default(default: Any) -> str:
    """Return the sentence on a setting's default; "" if the model, the method or other settings determine it."""
    if default in (None, "", ()):
        return ""
    if isinstance(default, bool):
        return f"Default: {'on' if default else 'off'}."
    return f"Default: {default:g}." if isinstance(default, float) else f"Default: {default}."


def format_options(values: Mapping[str, Any]) -> str:
    """Return settings as the options that a person would give, such as "--width 1024 --no-faithful"."""
    return " ".join(filter(None, (_format_option(name, value) for name, value in values.items())))


def _format_option(name: str, value: Any) -> str:
    """Return one setting as an option; "" for a value that no option has."""
    if name == "options":
        return format_options(dict(value))
    if isinstance(value, bool):
        return option_name(name) if value else re.sub("^--", "--no-", option_name(name))
    if isinstance(value, tuple):
        value = ",".join(f"{number:g}" for number in value)
    return "" if value in (None, "") else f"{option_name(name)} {shlex.quote(str(value))}"
