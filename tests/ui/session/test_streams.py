from ui.session.streams import OPEN_SECONDS, EventStreams


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_stream_is_open_for_a_while_after_something_was_sent():
    clock = Clock()
    streams = EventStreams(clock)
    streams.is_observed = True
    assert not streams.is_open("page")
    streams.mark_sent("page")
    clock.now = OPEN_SECONDS
    assert streams.is_open("page")
    assert not streams.is_open("another")
    clock.now = OPEN_SECONDS + 1
    assert not streams.is_open("page")


def test_one_of_several_names_is_enough():
    streams = EventStreams()
    streams.is_observed = True
    streams.mark_sent("call")
    assert streams.is_open("page", "call")
    assert not streams.is_open("page", None)


def test_streams_that_nobody_observes_count_as_open():
    assert EventStreams().is_open("page")


def test_streams_that_were_closed_long_ago_are_forgotten():
    clock = Clock()
    streams = EventStreams(clock)
    for clock.now in range(10_000):
        streams.mark_sent(str(clock.now))
    assert len(streams._sent) <= OPEN_SECONDS + 1
