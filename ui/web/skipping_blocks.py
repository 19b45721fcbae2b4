"""Gradio's Blocks without its work for components that a handler does not update."""

import copy
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.state_holder import SessionState


class SkippingBlocks(gr.Blocks):
    """Blocks in which an answer takes time only for the components that it updates.

    Gradio builds a component anew for each output of an event that a handler leaves out. While a slider is moved, that
    takes longer than everything else.
    """

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Return what the browser is sent for each output of an event. predictions: what the handler returned."""
        if not isinstance(predictions, dict) or not all(isinstance(key, Block) for key in predictions):
            return await super().postprocess_data(block_fn, predictions, state)
        updated = [each for each in block_fn.outputs if each in predictions]
        if len(updated) < len(predictions):  # An output that the event does not have: Gradio says so.
            return await super().postprocess_data(block_fn, predictions, state)
        event = copy.copy(block_fn)
        event.outputs = updated
        sent = await super().postprocess_data(event, predictions, state) if updated else []
        by_component = dict(zip(updated, sent, strict=True))
        return [by_component.get(each, gr.skip()) for each in block_fn.outputs]
