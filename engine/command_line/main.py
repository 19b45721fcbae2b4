"""Carry out a command line: make a picture, or list the models. Imports torch only to make a picture."""

import logging
import os
import shlex
import signal
import sys
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Event as StopSignal
from typing import Any

from engine import errors
from engine.catalogue.entries import Facts
from engine.catalogue.vocabulary import unknown_words
from engine.command_line.arguments import (
    FAILED,
    FINISHED,
    PROGRAM,
    STOPPED,
    WRONG_USAGE,
    WrongUsage,
    format_options,
    parse_arguments,
)
from engine.command_line.models import ModelSource, describe_models, find_facts, find_model, load
from engine.command_line.progress import ProgressDisplay
from engine.command_line.recipes import build_recipe
from engine.control.detectors import check_detectors
from engine.errors import BadRecipe, Fault, short_repr
from engine.planning.plan import plan
from engine.recipe import images
from engine.recipe.files import with_files
from engine.recipe.quality import fill_quality
from engine.recipe.recipe import Recipe
from engine.runs.cache import RunCache
from engine.runs.events import Accepted, Event, Failed, StageDone, Stopped

# The logger of faults that no other code handles. Their tracebacks are always shown, so that they can be reported.
UNEXPECTED_FAULTS = "engine.runs.events"


def main(words: Sequence[str] | None = None) -> int:
    """Carry out a command line and return the exit code.

    words: the arguments; None takes those of this process.
    """
    words = sys.argv[1:] if words is None else words
    try:
        arguments = parse_arguments(words)
        if arguments.list_models:
            print(describe_models(), flush=True)
            return FINISHED
        _configure_logging(arguments.verbose)
        return _run(arguments, words)
    except BadRecipe as fault:
        hint = format_options(fault.fit)
        return _report(fault.sentence, WRONG_USAGE, errors.WOULD_FIT.format(options=hint) if hint else "")
    except WrongUsage as fault:
        return _report(fault.sentence, WRONG_USAGE, errors.SEE_HELP.format(command=f"{PROGRAM} --help"))
    except Fault as fault:
        return _report(fault.sentence, FAILED)
    except KeyboardInterrupt:
        return _report(errors.ENDED_AT_ONCE, STOPPED)
    except BrokenPipeError:  # Such as with `| head`. Python would complain again when it closes the output.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED


def _report(sentence: str, code: int, hint: str = "") -> int:
    """Print why there is no result, and return the exit code."""
    print(f"{PROGRAM}: {sentence}", file=sys.stderr)
    if hint:
        print(hint, file=sys.stderr)
    return code


def _configure_logging(verbose: bool) -> None:
    """Print the engine's log on standard error: all of it, or only the faults that a person should report."""
    handler = logging.StreamHandler()
    if not verbose:
        handler.addFilter(logging.Filter(UNEXPECTED_FAULTS))
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, handlers=[handler])


def _run(arguments: Namespace, words: Sequence[str]) -> int:
    """Make the picture of the arguments, print the paths of its stages, and return the exit code."""
    display = ProgressDisplay(arguments.quiet)
    requested = build_recipe(arguments)
    if requested.ignored:
        display.note(errors.SETTINGS_LEFT_OUT.format(names=", ".join(requested.ignored)))
    source = find_model(requested.recipe.model)
    recipe = replace(requested.recipe, model=source.name)
    resume = _parse_resume(arguments.resume) if arguments.resume else None
    until = _parse_stage("until", arguments.until) if arguments.until else None
    facts = find_facts(source)
    expected = _fill_quality(recipe, arguments, facts) if facts else recipe
    _check_before_loading(expected, facts, Path(arguments.out), has_stage=resume is not None)
    _note_unknown_words(recipe.prompt, source, display)
    model = load(source, arguments.device, arguments.dtype, arguments.offload)
    recipe = _fill_quality(recipe, arguments, model.facts)
    from engine.runs.generate import generate

    with _stop_on_interrupt() as stop:
        run = generate(recipe, model, out=arguments.out, resume=resume, until=until, stop=stop)
        return _follow(run, display, shlex.join([*PROGRAM.split(), *words]))


def _fill_quality(recipe: Recipe, arguments: Namespace, facts: Facts) -> Recipe:
    """Return the recipe with the quality preset of the arguments, by default the model's own; see fill_quality.

    The settings of `--recipe` are left as they are, unless the arguments name a preset.
    """
    name = arguments.quality or ("" if arguments.recipe else facts.defaults.quality)
    return fill_quality(recipe, name, facts) if name else recipe


def _parse_resume(values: Sequence[str]) -> tuple[str, int]:
    """Return the run's folder and the number of the stage in `--resume`; raise WrongUsage if it is no number."""
    folder, stage = values
    return folder, _parse_stage("resume", stage)


def _parse_stage(option: str, text: str) -> int:
    """Return the number of a stage that an option gives; raise WrongUsage if it is no number."""
    if not text.isdecimal():
        raise WrongUsage(errors.NOT_A_STAGE.format(field=option, value=short_repr(text)))
    return int(text)


def _check_before_loading(recipe: Recipe, facts: Facts | None, out: Path, has_stage: bool) -> None:
    """Raise BadRecipe if the recipe cannot be carried out, as far as that is known before the model is loaded.

    facts: what is known of the model; None if nothing is.

    has_stage: whether the run continues from a chosen stage, which for some methods takes the start image's place.
    """
    recipe = with_files(recipe, partial(_find_image, cache=RunCache(out)))
    check_detectors(recipe.controls)
    if recipe.image is not None:
        # The plan would find an unreadable picture too, but there may be none before the model is loaded.
        images.measure(recipe.image)
    if facts is not None and not has_stage:
        plan(recipe, facts)


def _find_image(image: Any, cache: RunCache) -> Any:
    """Return the stored file of an image's digest, None if no run stores it; return a path unchanged."""
    return cache.find_image(image) if images.is_digest(image) else image


def _note_unknown_words(prompt: str, source: ModelSource, display: ProgressDisplay) -> None:
    """Print the words of the prompt that a model with a limited vocabulary does not know."""
    unknown = unknown_words(prompt, source.entry) if source.entry else ()
    if source.entry and unknown:
        known = ", ".join(word for words in source.entry.vocabulary.values() for word in words)
        sentence = errors.UNKNOWN_WORDS.format(
            model=source.entry.title, words=", ".join(unknown), known=known
        )
        display.note(sentence)


@contextmanager
def _stop_on_interrupt() -> Iterator[StopSignal]:
    """Context manager in which the first Ctrl-C sets the stop signal, and the second one ends the process."""
    stop = StopSignal()

    def request_stop(*_: Any) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print(f"\n{errors.STOPPING}", file=sys.stderr)

    previous = signal.signal(signal.SIGINT, request_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)


def _follow(run: Iterator[Event], display: ProgressDisplay, command: str) -> int:
    """Show the events of a run, print the paths of its finished stages, and return the exit code.

    command: the command line, which continues the run.
    """
    # The pictures of finished stages by the number of the stage.
    pictures: dict[int, str] = {}
    code = FINISHED
    try:
        for event in run:
            display.show(event)
            match event:
                case Accepted():
                    pictures |= {stage.stage: stage.image for stage in event.kept}
                case StageDone():
                    pictures[event.stage] = event.image
                case Stopped():
                    sentence = errors.STOPPED_IN_STAGE.format(stage=event.stage, command=command)
                    code = _report(sentence, STOPPED)
                case Failed():
                    # A fault in a setting is found before the first stage is made.
                    code = _report(event.sentence, WRONG_USAGE if event.field else FAILED)
    finally:
        display.close()
        for _, picture in sorted(pictures.items()):
            print(picture)
    return code
