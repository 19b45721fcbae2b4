// @ts-check
// The notes below the picture, and those on unknown words near the prompt.

import { makeAction } from "./actions.js";
import { makeChangeTest } from "./changes.js";
import { make } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Note } from "./value.js" */

/**
 * Make the places of all notes: `node` is below the picture, `wordsNode` near the prompt.
 *
 * @param {Context} context
 */
export function makeNotes(context) {
  const [node, wordsNode] = [0, 1].map(() => make("div", { className: "st-notes", "aria-live": "polite" }));
  const isChanged = makeChangeTest();
  /** @param {Note[]} notes */
  const update = (notes) => {
    if (!isChanged(notes)) return;
    /** @param {Note} note */
    const isOnWords = ({ kind }) => kind === "words";
    wordsNode.replaceChildren(...notes.filter(isOnWords).map((note) => makeNote(context, note)));
    node.replaceChildren(...notes.filter((note) => !isOnWords(note)).map((note) => makeNote(context, note)));
  };
  return { node, wordsNode, update };
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
