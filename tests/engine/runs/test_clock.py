from engine.runs.clock import Stopwatch


class ManualClock:
    """A clock whose time a test sets."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_only_time_inside_the_generator_and_the_context_counts():
    clock_time = ManualClock()

    def work():
        for item in range(3):
            clock_time.seconds += 2
            yield item

    stopwatch = Stopwatch(clock_time)
    for _ in stopwatch.measure(work()):
        clock_time.seconds += 100  # The time of the consumer of the items.
    with stopwatch:
        clock_time.seconds += 1
    assert stopwatch.reset() == 7
    assert stopwatch.reset() == 0


def test_an_exception_passes_through_and_its_time_counts():
    clock_time = ManualClock()
    stopwatch = Stopwatch(clock_time)
    try:
        with stopwatch:
            clock_time.seconds += 5
            raise KeyError
    except KeyError:
        assert stopwatch.reset() == 5
