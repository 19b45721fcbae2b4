// @ts-check
// The texts on and beside the viewer: what is shown, at which size and zoom.

import { make, setText } from "./dom.js";
import { fill, formatSize } from "./text.js";

/** @import { Context } from "./context.js" */
/** @import { Layer } from "./viewer.js" */

/**
 * The elements of the viewer's texts.
 *
 * @typedef {object} Captions
 * @property {HTMLElement} corner  in the corner of the picture: "enlarged", "in the making", the number of windows
 * @property {HTMLElement} placeholder  in the middle of the viewer until there is a picture
 * @property {HTMLElement} hint  on the viewer: how to scroll the page again
 * @property {HTMLElement} readout  beside the tools: size and zoom
 * @property {HTMLElement} description  for screen readers: the prompt and how to use the viewer
 */

/**
 * Make the texts.
 *
 * @param {Context} context
 * @returns {Captions}
 */
export function makeCaptions({ words }) {
  return {
    corner: make("span", { className: "st-tag" }),
    placeholder: make("span", { className: "st-empty", textContent: words.empty }),
    hint: make("span", { className: "st-hint" }),
    readout: make("span", { className: "st-readout" }),
    description: make("p", { className: "st-unseen", id: "viewer-description" }),
  };
}

/**
 * Update the texts after a drawing.
 *
 * @param {Context} context
 */
export function updateCaptions(context) {
  const { captions, viewer, words, value } = context;
  captions.placeholder.hidden = Boolean(viewer.layer());
  const [side] = viewer.sides().sort((one, other) => other.layer.size[1] - one.layer.size[1]);
  if (!side || value.candidates.length) {
    for (const node of [captions.readout, captions.corner]) setText(node, "");
    return;
  }
  const percent = Math.round(viewer.placement(side).scale * 100);
  setText(captions.readout, fill(words.readout, { size: formatSize(words, side.layer.size), percent }));
  setText(captions.corner, viewer.pair ? "" : cornerText(context, side.layer));
}

/**
 * Return the text in the corner of the picture; empty for a finished picture without windows.
 *
 * @param {Context} context
 * @param {Layer} layer
 */
function cornerText({ viewer, words }, layer) {
  if (viewer.showsSmaller && layer === viewer.smaller) return fill(words.enlarged, { width: layer.size[1] });
  if ("image" in layer) return fill(words.preview, { number: layer.stage });
  if (viewer.isDimmed) return words.starting;
  if (!viewer.showWindows) return "";
  const { windows, lattice } = layer;
  const text = lattice > 1 ? words.windows_and_lattice : words.windows_only;
  return fill(text, { count: windows.length, lattice });
}
