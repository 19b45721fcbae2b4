// @ts-check
// The status line. It is updated at every change, but screen readers announce it only when `spoken` changes. The
// announced text is in an element of its own; while that element is empty, screen readers read the visible line.

import { makeActionUpdater } from "./actions.js";
import { makeChangeTest } from "./changes.js";
import { make, setText } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Status } from "./value.js" */

/**
 * The status line on the page.
 *
 * @typedef {object} StatusLine
 * @property {HTMLElement} node
 * @property {HTMLElement} announced  what screen readers announce
 * @property {HTMLElement} alarm  an error, which screen readers announce at once
 * @property {(status: Status) => void} update
 */

/**
 * Make the status line.
 *
 * @param {Context} context
 * @returns {StatusLine}
 */
export function makeStatusLine(context) {
  const line = make("span", { className: "st-line", "aria-hidden": "true" });
  const announced = make("span", { className: "st-unseen", role: "status" });
  const alarm = make("span", { className: "st-alarm", role: "alert" });
  const actionsRow = make("span", { className: "st-row" });
  const node = make("div", { className: "st-status" }, line, announced, alarm, actionsRow);
  const updateActions = makeActionUpdater(context, actionsRow);
  const isToBeSpoken = makeChangeTest();
  /** @param {Status} status */
  const update = ({ text, details, fault, spoken, actions }) => {
    line.title = details;
    setText(line, fault ? "" : text);
    setText(alarm, fault ? text : "");
    if (isToBeSpoken(spoken) || fault) setText(announced, fault ? "" : text);
    else if (announced.textContent !== text) setText(announced, "");
    line.setAttribute("aria-hidden", String(Boolean(announced.textContent)));
    node.classList.toggle("st-fault", fault);
    updateActions(actions);
  };
  return { node, announced, alarm, update };
}
