// @ts-check
// Buttons and links that the server sends.

import { makeChangeTest } from "./changes.js";
import { make, makeButton, setText } from "./dom.js";
import { scrollToViewer } from "./shown.js";

/** @import { Context } from "./context.js" */
/** @import { Action } from "./value.js" */

// Names of the actions that start a run.
const STARTING = new Set(["try", "continue", "restart", "grow"]);

/**
 * Make the button, the link or the text of an action.
 *
 * @param {Context} context
 * @param {Action} action
 */
export function makeAction(context, { label, ...data }) {
  if (data.href) {
    return make("a", {
      className: "st-button",
      href: data.href.url,
      textContent: label,
      download: data.download ?? "",
      onclick: makeSaver(context),
    });
  }
  if (!data.do) return make("p", { className: "st-menu-text", textContent: label });
  const node = makeButton(label, () => {
    const { sendAction, viewer } = context;
    if (data.do === "copy") copyText(context, data.text ?? "", node, label);
    else if (data.do === "models") openModelPicker();
    else if (data.place) sendAction({ ...data, place: viewer.rectangle(), key: viewer.picture?.key ?? "" });
    else sendAction(data);
    // A run that a button below the viewer starts is watched in the viewer.
    if (STARTING.has(data.do ?? "")) scrollToViewer(context);
  });
  return node;
}

/**
 * Return a function that shows actions in an element, unless they are the same as in its last call. If a button had
 * the focus, the button at its position has the focus afterwards.
 *
 * @param {Context} context
 * @param {HTMLElement} node
 * @returns {(actions: Action[]) => void}
 */
export function makeActionUpdater(context, node) {
  const isChanged = makeChangeTest();
  return (actions) => {
    if (!isChanged(actions)) return;
    const focused = [...node.children].findIndex((child) => child === document.activeElement);
    const buttons = actions.map((action) => makeAction(context, action));
    node.replaceChildren(...buttons);
    node.hidden = !actions.length;
    if (focused >= 0) buttons[Math.min(focused, buttons.length - 1)]?.focus();
  };
}

/** Open the list of models at the top of the page. */
function openModelPicker() {
  const picker = document.querySelector("#model-picker details");
  if (!(picker instanceof HTMLDetailsElement)) return;
  // After the click that asked for it, which closes an open list.
  setTimeout(() => {
    picker.open = true;
    picker.querySelector("summary")?.focus();
  });
}

/**
 * Copy a text to the clipboard; if the browser refuses, show the text, selected, in a field beside the button.
 *
 * @param {Context} context
 * @param {string} text
 * @param {HTMLElement} node  the button
 * @param {string} label  the button's text
 */
async function copyText({ words, status }, text, node, label) {
  try {
    await navigator.clipboard.writeText(text);
    setText(status.announced, words.copied);
    setText(node, words.copied);
    setTimeout(() => setText(node, label), 2000);
  } catch {
    const next = node.nextElementSibling;
    const existing = next instanceof HTMLInputElement ? next : null;
    const field =
      existing || make("input", { className: "st-copy", readOnly: true, "aria-label": words.copy_by_hand });
    field.value = text;
    node.after(field);
    field.focus();
    field.select();
  }
}

/**
 * Return a handler for clicks on a link, which saves the link's file under the name in the link. If the browser
 * followed the link, the server's name would be used.
 *
 * @param {Context} context
 * @returns {(event: MouseEvent) => Promise<void>}
 */
export function makeSaver({ words, status }) {
  return async (event) => {
    const link = event.currentTarget;
    if (!(link instanceof HTMLAnchorElement)) return;
    event.preventDefault();
    const answer = await fetch(link.href).catch(() => null);
    if (!answer?.ok) return setText(status.alarm, words.gone);
    const file = URL.createObjectURL(await answer.blob());
    make("a", { href: file, download: link.download }).click();
    setTimeout(() => URL.revokeObjectURL(file), 60000);
  };
}
