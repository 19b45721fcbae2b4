"""The training loop on a course with a known answer, and the command's options."""

from inspect import signature

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from lab.training import course, train
from lab.training.train import Average, Training, rate_at


class Line:
    """A course that learns y = 3 x and is interrupted after `end` batches."""

    rate, cooling = 0.05, course.COOLING

    def __init__(self, end=10**9):
        torch.manual_seed(0)
        self.learner, self.end, self.first = nn.Linear(1, 1), end, []

    def batches(self, first):
        self.first.append(first)
        draw = np.random.RandomState(first)
        for n in range(10**9):
            if n == self.end:
                raise KeyboardInterrupt
            yield torch.tensor(draw.standard_normal((16, 1)), dtype=torch.float32)

    def loss(self, batch, share):
        error = (self.learner(batch) - 3 * batch).square().mean()
        return error, {"error": error.item(), "share": share}

    def grid(self, learned):
        return Image.new("RGB", (4, 4))

    def write(self, learned, folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weight").write_text(str(learned.weight.item()))


class Clock:
    """A clock by which each batch takes half a second."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 0.5
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(train.time, "perf_counter", Clock())


def test_a_course_is_learned_in_its_minutes_and_written(tmp_path):
    training = Training(Line(), 8, tmp_path / "state")
    training.run(tmp_path / "to")
    assert training.batch == pytest.approx(8 * 60 / 0.5, abs=2)
    assert float((tmp_path / "to" / "weight").read_text()) == pytest.approx(3, abs=0.05)
    assert (tmp_path / "state" / "grid.png").exists()


def test_an_interrupted_training_continues_where_it_was(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        Training(Line(end=700), 8, tmp_path / "state").run(tmp_path / "to")
    course = Line()
    again = Training(course, 8, tmp_path / "state")
    assert again.resume()
    assert (again.batch, again.spent) == (600, 300.0)
    again.run(tmp_path / "to")
    assert course.first == [600]
    assert again.batch == pytest.approx(960, abs=2)


def test_a_finished_training_does_nothing(tmp_path):
    Training(Line(), 2, tmp_path / "state").run(tmp_path / "to")
    course = Line()
    again = Training(course, 2, tmp_path / "state")
    again.resume()
    again.run(tmp_path / "elsewhere")
    assert course.first == []
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_state_nothing_is_resumed(tmp_path):
    assert not Training(Line(), 2, tmp_path / "state").resume()


def test_the_rate_rises_stays_and_falls_to_a_tenth():
    assert rate_at(0, 0) == pytest.approx(0.01)
    assert rate_at(500, 0.5) == rate_at(500, 0.75) == 1
    assert rate_at(500, 1) == pytest.approx(0.1)
    assert rate_at(500, 0.75, cooling=0.5) == pytest.approx(0.55)


def test_a_batch_that_overflows_changes_no_weights(tmp_path):
    course = Line()
    training = Training(course, 2, tmp_path)
    before = course.learner.weight.item()
    training.train_batch(torch.tensor([[float("inf")]]))
    assert course.learner.weight.item() == before


def test_the_average_follows_faster_in_the_first_batches():
    module = nn.Linear(1, 1)
    average = Average(module)
    with torch.no_grad():
        module.weight += 1
    before = average.module.weight.item()
    average.update(module, 0)
    assert average.module.weight.item() == pytest.approx(before + 0.9, abs=1e-6)
    average.update(module, 10**6)
    assert average.module.weight.item() == pytest.approx(before + 0.9 + 0.1 * 0.001, abs=1e-6)


def test_running_statistics_are_averaged_too():
    module = nn.BatchNorm2d(2)
    average = Average(module)
    module(torch.randn(4, 2, 3, 3) + 5)
    average.update(module, 10**6)
    assert 0 < average.module.running_mean.mean() < module.running_mean.mean()


def test_bfloat16_is_only_used_where_it_is_computed(monkeypatch):
    dtypes = []
    for computed in (False, True):
        monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda computed=computed: computed)
        with course.mixed_precision(torch.device("cpu")):
            dtypes.append((torch.ones(1, 1) @ torch.ones(1, 1)).dtype)
    assert dtypes == [torch.float32, torch.bfloat16]


def test_grids_are_drawn_every_minute_and_rarely_where_drawing_is_slow(tmp_path):
    drawn = []
    for seconds in (3.0, 30.0):
        course = Line()
        training = Training(course, 12, tmp_path / str(seconds))

        def grid(learned, seconds=seconds, training=training):
            drawn.append((seconds, round(training.spent / 60)))
            train.time.perf_counter.now += seconds
            return Image.new("RGB", (4, 4))

        course.grid = grid
        training.run(tmp_path / "to")
    assert [minute for seconds, minute in drawn if seconds == 3] == list(range(1, 13))
    assert [minute for seconds, minute in drawn if seconds == 30] == [1, 7, 12]


@pytest.mark.parametrize("part", ["base", "control", "judge"])
def test_a_part_has_the_options_that_the_help_names(part):
    assert {"lessons", "batch", "small", "seed"} <= signature(train.courses()[part]).parameters.keys()


def test_the_base_also_takes_a_rate_its_cooling_and_classes_to_focus_on():
    assert {"rate", "cooling", "focus"} <= signature(train.courses()["base"]).parameters.keys()


def test_an_option_that_a_part_does_not_have_is_named(monkeypatch):
    monkeypatch.setattr("sys.argv", ["lab.training.train", "vae", "--seed", "3"])
    with pytest.raises(SystemExit, match="vae has no option --seed"):
        train.main()
