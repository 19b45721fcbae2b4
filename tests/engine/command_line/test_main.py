"""Command lines that are carried out: their output and exit codes."""

import signal
from pathlib import Path

import pytest
from PIL import Image

from engine import Progress
from engine.catalogue.entries import family_defaults
from engine.command_line.main import main
from engine.command_line.progress import ProgressDisplay
from engine.recipe.recall import recall
from tests.support.processes import run_module


@pytest.fixture
def command(tiny_folder, tmp_path):
    """The arguments of a run of two stages that takes about a second."""
    words = [
        "a red house",
        "--model",
        tiny_folder,
        "--scales",
        "1,2",
        "--steps",
        "4",
        "--out",
        tmp_path / "runs",
    ]
    return [*map(str, words)]


def test_a_run_prints_the_paths_of_its_pictures_and_nothing_else(command, capsys):
    assert main(command) == 0
    captured = capsys.readouterr()
    sizes = [Image.open(path).size for path in captured.out.splitlines()]
    assert sizes == [(128, 128), (256, 256)]
    assert "Stage 2 of 2" in captured.err


def test_a_quality_preset_fills_the_settings_that_are_not_given(command, capsys):
    assert main([*command, "--quality", "draft"]) == 0
    recipe = recall(capsys.readouterr().out.splitlines()[-1]).recipe
    draft = family_defaults("sdxl").qualities["draft"]
    assert (recipe.steps, recipe.dilated) == (4, draft.dilated)
    assert dict(recipe.options) == {"restart": draft.restart}


def test_an_unknown_quality_preset_is_wrong_usage(command, capsys):
    assert main([*command, "--quality", "best"]) == 2
    assert "draft, standard, fine" in capsys.readouterr().err


def test_stages_of_an_earlier_run_are_not_made_again(command, capsys):
    assert main([*command, "--until", "1"]) == 0
    (first,) = capsys.readouterr().out.splitlines()
    assert main(command) == 0
    captured = capsys.readouterr()
    assert Path(captured.out.splitlines()[0]).read_bytes() == Path(first).read_bytes()
    assert "Stage 1 of 2, 128 x 128 px: already there" in captured.err


def test_the_settings_of_a_picture_make_it_again(command, tmp_path, tiny_folder, capsys):
    assert main([*command, "--scales", "1", "--quiet"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    again = ["--recipe", last, "--model", str(tiny_folder), "--out", str(tmp_path / "other"), "--quiet"]
    assert main(again) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert Image.open(captured.out.splitlines()[-1]).tobytes() == Image.open(last).tobytes()


def test_a_run_continues_from_a_chosen_stage_under_other_settings(command, capsys):
    assert main([*command, "--until", "1"]) == 0
    first = Path(capsys.readouterr().out.splitlines()[0])
    assert main([*command, "--seed", "9", "--resume", str(first.parents[1]), "1"]) == 0
    assert Path(capsys.readouterr().out.splitlines()[0]).read_bytes() == first.read_bytes()


def test_the_first_ctrl_c_stops_the_run_and_the_same_command_continues_it(command, capsys, monkeypatch):
    show = ProgressDisplay.show

    def interrupt_in_stage_2(self, event):
        show(self, event)
        if isinstance(event, Progress) and event.stage == 2:
            monkeypatch.setattr(ProgressDisplay, "show", show)
            signal.raise_signal(signal.SIGINT)

    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(ProgressDisplay, "show", interrupt_in_stage_2)
    assert main(command) == 130
    assert signal.getsignal(signal.SIGINT) is handler
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 1
    assert "Stopped in stage 2" in captured.err
    assert "python -m engine 'a red house' --model" in captured.err
    assert main(command) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 2
    assert "Stage 1 of 2, 128 x 128 px: already there" in captured.err


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["a red house", "--model", "postcard"], "postcards"),
        (["a red house", "--method", "demofuson"], "demofusion"),
        (["a red house", "--steps", "ten"], "steps is 'ten'"),
        (["a red house", "--image", "nothing.jpg"], "nothing.jpg"),
        (["a red house", "--control", "canny=nothing.jpg"], "nothing.jpg"),
        (["--recipe", "nothing.json"], "nothing.json"),
        (["a red house", "--width", "512"], "width"),
        (
            ["a red house", "--scales", "1,2", "--width", "1024", "--height", "1024"],
            "This would fit: --scales 1,2,4",
        ),
        (["a red house", "--method", "direct", "--image", "PHOTO"], "This would fit: --method demofusion"),
        (["a red house", "--until", "two"], "until is 'two'"),
        (["a red house", "--resume", "runs/x", "two"], "resume is 'two'"),
        (["a red house", "--size", "1024"], "All options: python -m engine --help"),
    ],
)
def test_a_mistake_is_found_before_the_model_is_loaded(words, sentence, photo, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("engine.command_line.main.load", lambda *_: pytest.fail("the model was loaded"))
    assert main([str(photo) if word == "PHOTO" else word for word in words]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("python -m engine: ")
    assert sentence in captured.err
    assert not (tmp_path / "runs").exists()


def test_a_mistake_that_only_the_loaded_model_shows_is_wrong_usage(command, capsys):
    assert main([*command, "--until", "9"]) == 2
    assert "stages 1 to 2" in capsys.readouterr().err


def test_a_run_that_cannot_be_written_has_failed(command, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main([*command[:-1], str(tmp_path / "file")]) == 1
    assert "folder" in capsys.readouterr().err


def test_a_folder_without_a_model_fails_with_a_sentence(tmp_path, capsys):
    assert main(["a red house", "--model", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert str(tmp_path) in captured.err
    assert "Traceback" not in captured.err


def test_words_that_the_bundled_model_does_not_know_are_named(capsys, monkeypatch):
    def end(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("engine.command_line.main.load", end)
    assert main(["a red dragon on snow", "--model", "postcards"]) == 130
    assert "does not know these words: dragon" in capsys.readouterr().err


def test_help_is_no_failure(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    assert "130" in capsys.readouterr().out


@pytest.mark.slow  # It loads the bundled model in a new process.
def test_the_bundled_model_makes_a_picture_in_a_new_process(tmp_path):
    words = ["a red house on snow at night", "--scales", "1", "--steps", "4", "--out", str(tmp_path)]
    (picture,) = run_module("engine", *words).splitlines()
    assert Image.open(picture).size == (256, 256)
