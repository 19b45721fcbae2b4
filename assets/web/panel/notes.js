// @ts-check
// The notes below the picture.

import { makeAction } from "./actions.js";
import { makeChangeTest } from "./changes.js";
import { make } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Note } from "./value.js" */

/**
 * Make the place of all notes.
 *
 * @param {Context} context
 */
export function makeNotes(context) {
  const node = make("div", { className: "st-notes", "aria-live": "polite" });
  const isChanged = makeChangeTest();
  /** @param {Note[]} notes */
  const update = (notes) => {
    if (isChanged(notes)) node.replaceChildren(...notes.map((note) => makeNote(context, note)));
  };
  return { node, update };
}

/**
 * Make a note with its text and buttons.
 *
 * @param {Context} context
 * @param {Note} note
 */
function makeNote(context, { kind, text, actions }) {
  const row = make("span", { className: "st-row" }, ...actions.map((action) => makeAction(context, action)));
  return make("p", { className: `st-note st-note-${kind}` }, make("span", { textContent: text }), row);
}
