// @ts-check
// The toolbar below the viewer: its buttons, and the list of keys that one of them shows.

import { make, makeButton, setPressed } from "./dom.js";
import { makeIconButton } from "./icons.js";
import { makeSaveMenu } from "./share.js";
import { showSmaller, smallerPicture, toggleCompare } from "./shown.js";

/** @import { Context } from "./context.js" */

/** The toolbar and the list of keys. */
export class Toolbar {
  /** @param {Context} context */
  constructor(context) {
    const { words, viewer, captions } = context;
    this.context = context;
    this.buttons = {
      fit: makeButton(words.fit, () => viewer.fit()),
      one: makeButton(words.one_to_one, () => viewer.oneToOne()),
      compare: makeButton(words.compare, () => toggleCompare(context)),
      hold: makeButton(words.hold, () => {}, { className: "st-button st-hold" }),
      windows: makeButton(words.windows, () => this.toggleWindows()),
      full: makeIconButton("full", words.full_screen, () => this.toggleFullScreen(), {
        hidden: !document.fullscreenEnabled,
        className: "st-button",
      }),
      help: makeButton("?", () => this.toggleKeys(), { className: "st-button st-help", "aria-label": words.keys, "aria-expanded": "false" }),
    };
    const { hold, compare, windows } = this.buttons;
    for (const node of [hold, compare, windows]) setPressed(node, false);
    this.holdWhilePressed(hold);
    this.saveMenu = makeSaveMenu(context);
    this.node = make(
      "div",
      { className: "st-row st-tools", role: "group", "aria-label": words.tools },
      ...Object.values(this.buttons),
      captions.readout,
    );
    this.row = make("div", { className: "st-toolbar" }, this.node, this.saveMenu.node);
    this.keysList = makeKeysList(words);
  }

  /** Enable the tools that have an effect now, and disable the others. */
  refresh() {
    const { viewer, compare, pictures, value } = this.context;
    const isCovered = value.candidates.length > 0;
    viewer.smaller = smallerPicture(this.context);
    for (const button of [this.buttons.fit, this.buttons.one]) button.disabled = isCovered;
    this.buttons.hold.disabled = isCovered || !viewer.smaller || compare.isOpen;
    const hasOther = pictures.size > 1 || value.earlier.length > 1 || value.start;
    this.buttons.compare.disabled = isCovered || !viewer.picture || !hasOther;
    this.buttons.windows.disabled = isCovered || !viewer.picture?.windows.length;
    setPressed(this.buttons.compare, compare.isOpen);
  }

  /**
   * Show the smaller picture while a button is pressed by mouse, finger or key.
   *
   * @param {HTMLElement} node
   */
  holdWhilePressed(node) {
    /** @param {KeyboardEvent} event */
    const isPressKey = (event) => event.key === " " || event.key === "Enter";
    node.addEventListener("pointerdown", () => showSmaller(this.context, true));
    for (const name of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
      node.addEventListener(name, () => showSmaller(this.context, false));
    }
    node.addEventListener("keydown", (event) => isPressKey(event) && showSmaller(this.context, true));
    node.addEventListener("keyup", (event) => isPressKey(event) && showSmaller(this.context, false));
    node.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  /** Show or hide the list of keys. */
  toggleKeys() {
    this.keysList.hidden = !this.keysList.hidden;
    this.buttons.help.setAttribute("aria-expanded", String(!this.keysList.hidden));
    if (!this.keysList.hidden) this.keysList.scrollIntoView({ block: "nearest" });
  }

  /** Show or hide the outlines of the windows. */
  toggleWindows() {
    const { viewer } = this.context;
    viewer.showWindows = !viewer.showWindows;
    setPressed(this.buttons.windows, viewer.showWindows);
    viewer.requestDraw();
  }

  /** Show the viewer on the full screen, or end that; remove the button if the browser refuses. */
  async toggleFullScreen() {
    try {
      await (document.fullscreenElement ? document.exitFullscreen() : this.context.viewerPart.requestFullscreen());
    } catch {
      this.buttons.full.hidden = true;
    }
  }
}

/**
 * Make the list of the viewer's keys, hidden at first.
 *
 * @param {Record<string, string>} words
 */
function makeKeysList(words) {
  const keys = [
    ["← ↑ → ↓", words.key_move],
    ["+ −", words.key_zoom],
    ["0", words.key_fit],
    ["1", words.key_one],
    [words.space, words.key_hold],
    ["C", words.key_compare],
    ["[ ]", words.key_divider],
    ["?", words.key_help],
  ];
  const lines = keys.flatMap(([key, meaning]) => [
    make("dt", {}, make("kbd", { textContent: key })),
    make("dd", { textContent: meaning }),
  ]);
  return make("dl", { className: "st-keys", hidden: true }, ...lines);
}
