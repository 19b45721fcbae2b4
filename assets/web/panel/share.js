// @ts-check
// The buttons for a finished run: those that copy its link or export it, and the complaints.

import { makeActionUpdater } from "./actions.js";
import { make } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Action } from "./value.js" */

/**
 * Make the row of buttons that copy the run's link and export its pictures.
 *
 * @param {Context} context
 */
export function makeShareRow(context) {
  const node = make("div", { className: "st-row st-share", role: "group", "aria-label": context.words.share });
  return { node, update: makeActionUpdater(context, node) };
}

/**
 * Make the row of complaints, each a button that changes the settings.
 *
 * @param {Context} context
 */
export function makeComplaints(context) {
  const { words } = context;
  const buttons = make("div", { className: "st-row", role: "group", "aria-label": words.not_right });
  const label = make("span", { className: "st-label", textContent: words.not_right });
  const node = make("div", { className: "st-row st-complaints" }, label, buttons);
  const updateButtons = makeActionUpdater(context, buttons);
  /** @param {Action[]} complaints */
  const update = (complaints) => {
    updateButtons(complaints);
    node.hidden = buttons.hidden;
  };
  return { node, update };
}
