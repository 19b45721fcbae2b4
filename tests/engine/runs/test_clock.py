from engine.runs.clock import Stopwatch


class Hands:
    """A clock that moves when it is told to."""

    def __init__(self):
        self.seconds = 0.0

    def __call__(self):
        return self.seconds


def test_only_the_time_at_work_counts():
    hands = Hands()

    def work():
        for item in range(3):
            hands.seconds += 2
            yield item

    clock = Stopwatch(hands)
    for _ in clock.measure(work()):
        hands.seconds += 100  # Somebody looks at it.
    with clock:
        hands.seconds += 1
    assert clock.reset() == 7
    assert clock.reset() == 0


def test_a_fault_passes_through_and_its_time_counts():
    hands = Hands()
    clock = Stopwatch(hands)
    try:
        with clock:
            hands.seconds += 5
            raise KeyError
    except KeyError:
        assert clock.reset() == 5
