"""The line: one stage at a time, fair, watched, bounded. Runs of known length, pulled for real."""

import threading
from dataclasses import replace

import pytest

from engine import Accepted, Failed, Finished, Preview, Progress, Recipe, StageDone, Stopped, Waiting, store
from engine.desk import Desk, LineFull, UnknownRun
from engine.events import END
from engine.shelf import Shelf
from engine.ticket import Request


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Work:
    """Runs that yield stages when they are let; what each did is in `done`, in the order it happened."""

    def __init__(self, stages=3, steps=2):
        self.stages, self.steps, self.done = stages, steps, []
        self.let = threading.Semaphore(10**6)
        self.at_work = threading.Event()

    def __call__(self, request, run):
        name = request.recipe.prompt
        yield Accepted(str(run), request.recipe, ((1.0, (8, 8)),) * self.stages, 1, 1)
        for stage in range(1, self.stages + 1):
            for step in range(1, self.steps + 1):
                if (run / store.STOP).exists():
                    yield Stopped(stage, step)
                    return
                self.at_work.set()
                self.let.acquire()
                yield Progress(stage, step, self.steps, 0, 0)
            self.done.append((name, stage))
            yield StageDone(stage, 1.0, (8, 8), "", "", 0.0, 1)
        yield Finished(self.stages)

    def hold(self):
        """Nothing moves until it is let."""
        self.let = threading.Semaphore(0)
        self.at_work.clear()

    def go(self, steps=10**6):
        self.let.release(steps)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def work():
    return Work()


@pytest.fixture
def desk(tmp_path, work, clock):
    made = Desk(Shelf(tmp_path), work, lambda request: (10.0, 20.0, 40.0), clock=clock)
    yield made
    work.go()
    made.close()


def ask(desk, name, **more):
    return desk.submit(Request(Recipe(prompt=name), **more))


def end(desk, run):
    return list(desk.follow(run))[-1]


def test_a_run_is_followed_from_its_start_to_its_end(desk):
    events = list(desk.follow(ask(desk, "a")))
    assert isinstance(events[0], Accepted)
    assert [e.stage for e in events if isinstance(e, StageDone)] == [1, 2, 3]
    assert events[-1] == Finished(3)


def test_the_line_turns_after_every_stage(desk, work):
    work.hold()
    runs = [ask(desk, name) for name in "abc"]
    work.go()
    assert [end(desk, run) for run in runs] == [Finished(3)] * 3
    assert work.done == [(name, stage) for stage in (1, 2, 3) for name in "abc"]


def test_a_newcomers_first_stage_slips_in_between(desk, work):
    work.hold()
    first = ask(desk, "a")
    work.at_work.wait()
    second = ask(desk, "b")
    work.go()
    end(desk, first)
    end(desk, second)
    assert work.done[:3] == [("a", 1), ("b", 1), ("a", 2)]


def waits(desk, run):
    return [e for e in desk.since(run)[0] if isinstance(e, Waiting)]


def test_who_waits_is_told_the_place_and_the_seconds(desk, work, clock):
    work.hold()
    runs = [ask(desk, "a")]
    work.at_work.wait()
    runs += [ask(desk, "b"), ask(desk, "c")]
    assert waits(desk, runs[1]) == [Waiting(1, 10.0)]
    assert waits(desk, runs[2]) == [Waiting(2, 20.0)]
    clock.now += 4
    runs.append(ask(desk, "d"))
    assert waits(desk, runs[3]) == [Waiting(3, 26.0)]


def test_what_is_not_known_is_not_told(desk, work):
    desk.price = lambda request: ()
    work.hold()
    ask(desk, "a")
    work.at_work.wait()
    assert waits(desk, ask(desk, "b")) == [Waiting(1, None)]


def test_a_waiting_run_can_be_stopped_and_never_starts(desk, work):
    work.hold()
    first = ask(desk, "a")
    work.at_work.wait()
    second = ask(desk, "b")
    desk.stop(second)
    work.go(1)
    assert end(desk, second) == Stopped(0, 0)
    work.go()
    end(desk, first)
    assert ("b", 1) not in work.done


def test_a_run_between_two_stages_can_be_stopped_while_another_works(desk, work):
    work.hold()
    first, second = ask(desk, "a"), ask(desk, "b")
    work.go(work.steps)
    for event in desk.follow(first):
        if isinstance(event, StageDone):
            break
    desk.stop(first)
    work.go(1)
    assert end(desk, first) == Stopped(2, 1)
    work.go()
    assert end(desk, second) == Finished(3)


def test_a_working_run_stops_before_its_next_step(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.at_work.wait()
    desk.stop(run)
    work.go()
    assert end(desk, run) == Stopped(1, 2)


def test_stopping_what_has_ended_changes_nothing(desk):
    run = ask(desk, "a")
    assert end(desk, run) == Finished(3)
    desk.stop(run)
    assert end(desk, run) == Finished(3)


def test_a_run_that_nobody_watches_is_stopped(desk, work, clock):
    work.hold()
    left, watched = ask(desk, "a"), ask(desk, "b")
    work.at_work.wait()
    clock.now += desk.patience + 1
    desk.since(watched)
    work.go()
    assert end(desk, watched) == Finished(3)
    assert [event for event in desk.since(left)[0] if isinstance(event, END)] == [Stopped(1, 2)]


def test_the_line_is_bounded_and_says_when_to_come_again(desk, work):
    desk.most = 2
    work.hold()
    for name in "abc":
        ask(desk, name)
    with pytest.raises(LineFull, match=r"2 runs are waiting.*in about 1 minute"):
        ask(desk, "d")


def test_a_log_is_followed_from_any_point_by_any_number(desk):
    run = ask(desk, "a")
    end(desk, run)
    whole, after = desk.since(run)
    assert desk.since(run, after) == ([], after)
    assert desk.since(run, after - 1) == ([Finished(3)], after)
    assert list(desk.follow(run)) == list(desk.follow(run)) == whole


def test_of_what_passes_only_the_newest_is_kept(desk, work):
    work.hold()
    run = ask(desk, "a")
    work.go(1)
    work.let.acquire(timeout=0.2)
    work.go()
    end(desk, run)
    assert not [e for e in desk.since(run)[0] if isinstance(e, Progress | Preview | Waiting)]


def test_a_name_that_is_not_known_is_told(desk):
    with pytest.raises(UnknownRun, match="not known here"):
        desk.since("0" * 32)


def test_a_start_that_breaks_is_a_failed_run_and_the_next_one_goes_on(tmp_path, work):
    def start(request, run):
        if request.recipe.prompt == "broken":
            raise ZeroDivisionError
        return work(request, run)

    desk = Desk(Shelf(tmp_path), start)
    broken, sound = ask(desk, "broken"), ask(desk, "a")
    assert isinstance(end(desk, broken), Failed)
    assert end(desk, sound) == Finished(3)


def test_runs_without_a_stage_leave_no_folder(desk, tmp_path):
    run = ask(desk, "a")
    end(desk, run)
    assert not list(tmp_path.iterdir())


def test_no_thread_is_left_when_the_line_is_empty(desk):
    end(desk, ask(desk, "a"))
    desk.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "desk"]


def test_old_logs_are_forgotten(desk, monkeypatch):
    monkeypatch.setattr("engine.desk.REMEMBERED", 3)
    runs = [ask(desk, str(n)) for n in range(6)]
    for run in runs[-3:]:
        end(desk, run)
    with pytest.raises(UnknownRun):
        desk.since(runs[0])


def test_what_is_asked_reaches_the_start(desk, tmp_path, work):
    seen = []
    desk.start = lambda request, run: seen.append((request, run)) or work(request, run)
    request = Request(Recipe(prompt="a"), "a model", (tmp_path / "x", 2), 3)
    run = desk.submit(request)
    end(desk, run)
    assert seen == [(request, tmp_path / run)]
    assert replace(request) == request
