// @ts-check
// Small drawings for buttons without a visible text.

import { make } from "./dom.js";

const NAMESPACE = "http://www.w3.org/2000/svg";
/** The lines of each drawing, as the path of an SVG of 16 by 16. */
const PATHS = {
  bell: "m3 12h10c-1-1-1.5-2-1.5-5a3.5 3.5 0 0 0-7 0c0 3-.5 4-1.5 5M6.5 14h3",
  download: "m8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11",
  enlarge: "m9.5 2.5h4v4M13.5 2.5 9 7M6.5 13.5h-4v-4M2.5 13.5 7 9",
  full: "m2.5 6v-3.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  pause: "m5.5 3v10M10.5 3v10",
};

/**
 * Make a button with a drawing. Its name is for screen readers, and is shown while the pointer is on the button.
 *
 * @param {keyof typeof PATHS} icon
 * @param {string} name
 * @param {() => void} onclick
 * @param {Record<string, unknown>} [more]  further properties and attributes
 */
export function makeIconButton(icon, name, onclick, more = {}) {
  const named = { type: "button", className: "st-icon", title: name, "aria-label": name, onclick, ...more };
  return make("button", named, makeIcon(icon));
}

/**
 * Make a drawing.
 *
 * @param {keyof typeof PATHS} icon
 */
export function makeIcon(icon) {
  const drawing = document.createElementNS(NAMESPACE, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 16 16", "aria-hidden": "true", focusable: "false" })) {
    drawing.setAttribute(name, value);
  }
  const path = document.createElementNS(NAMESPACE, "path");
  path.setAttribute("d", PATHS[icon]);
  drawing.append(path);
  return drawing;
}
