"""Tests of Blocks that spend no time on components that a handler leaves out, against Gradio's own Blocks."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import gradio as gr
import pytest
from gradio.state_holder import SessionState

from ui.web.skipping_blocks import SkippingBlocks


class Counted(gr.Slider):
    """A slider that counts how many of it have been built."""

    built = 0

    def __init__(self, *args, **more):
        type(self).built += 1
        super().__init__(*args, **more)


def answer(blocks, choose):
    """Return what the browser is sent when a handler answers choose(sliders), and how many sliders that built."""
    with blocks() as demo:
        sliders = [Counted(0, 10, value=5) for _ in range(4)]
        button = gr.Button()
        button.click(lambda: None, None, sliders)
    before = Counted.built
    event = next(iter(demo.fns.values()))
    answer = demo.postprocess_data(event, choose(sliders), SessionState(demo))
    with ThreadPoolExecutor() as thread:  # The tests of the page have an event loop in this one.
        sent = thread.submit(asyncio.run, answer).result()
    return sent, Counted.built - before


ANSWERS = {
    "one value": lambda sliders: {sliders[2]: 7},
    "a value and an update": lambda sliders: {sliders[0]: gr.update(value=3, visible=False), sliders[3]: 1},
    "a list": lambda _: [1, gr.skip(), 3, gr.update(maximum=20)],
    "nothing": lambda _: gr.skip(),
}


@pytest.mark.parametrize("choose", ANSWERS.values(), ids=ANSWERS)
def test_the_browser_is_sent_the_same(choose):
    assert answer(SkippingBlocks, choose)[0] == answer(gr.Blocks, choose)[0]


def test_components_that_are_left_out_are_not_built():
    assert answer(SkippingBlocks, ANSWERS["one value"])[1] == 0
    assert answer(gr.Blocks, ANSWERS["one value"])[1] == 3


def test_a_component_that_the_event_does_not_update_is_refused():
    with pytest.raises(ValueError, match="not specified as output"):
        answer(SkippingBlocks, lambda sliders: {sliders[0]: 1, gr.Slider(): 2})
