// @ts-check
// The buttons for a finished run: a menu of those that save it, copy its link or export it, and the complaints.

import { makeActionUpdater } from "./actions.js";
import { make, makeButton } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Action } from "./value.js" */

/**
 * Make the menu of what saves or shares the run. It closes with Escape, or when the focus or a click goes elsewhere.
 *
 * @param {Context} context
 */
export function makeSaveMenu(context) {
  const { words } = context;
  const list = make("div", { className: "st-menu", role: "group", "aria-label": words.share, hidden: true });
  /** @param {boolean} isOpen */
  const setOpen = (isOpen) => {
    if (!isOpen && list.contains(document.activeElement)) button.focus();
    list.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
  };
  const button = makeButton(words.save, () => setOpen(list.hidden), {
    className: "st-button st-save",
    "aria-expanded": "false",
  });
  const buttons = make("div", { className: "st-menu-list" });
  list.append(buttons);
  const node = make("span", { className: "st-menu-place" }, button, list);
  node.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || list.hidden) return;
    event.stopPropagation();
    setOpen(false);
    button.focus();
  });
  document.addEventListener("pointerdown", ({ target }) => {
    if (target instanceof Node && !node.contains(target)) setOpen(false);
  });
  const updateButtons = makeActionUpdater(context, buttons);
  /** @type {Action[]} */
  let present = [];
  // The file that a person asked for and that is being made: its run and kind.
  let awaited = "";
  buttons.addEventListener("click", ({ target }) => {
    const action = present[[...buttons.children].findIndex((child) => child === target)];
    if (action?.do && action.run) awaited = `${action.run} ${action.do}`;
    if (action?.href) setOpen(false);
  });
  /** @param {Action[]} actions */
  const update = (actions) => {
    present = actions;
    updateButtons(actions);
    const made = actions.findIndex(({ run, export: kind }) => awaited && awaited === `${run} ${kind}`);
    const link = buttons.children[made];
    if (link instanceof HTMLAnchorElement) {
      awaited = "";
      link.click(); // Saves the file, and closes the menu.
    }
    button.disabled = !actions.length;
    if (!actions.length) setOpen(false);
  };
  return { node, update };
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
