// @ts-check
// The bar above the viewer while a run goes on: a segment for each stage, as wide as the stage takes long.

import { make } from "./dom.js";

/** @import { Segment } from "./value.js" */

/** Make the bar. It keeps its place while there is no run, so that nothing moves. */
export function makeProgressBar() {
  const node = make("div", { className: "st-segments", "aria-hidden": "true" });
  /** @param {Segment[]} segments */
  const update = (segments) => {
    while (node.children.length > segments.length) node.lastElementChild?.remove();
    while (node.children.length < segments.length) {
      node.append(make("span", { className: "st-segment" }, make("span", { className: "st-bar" })));
    }
    segments.forEach(({ cost, share }, index) => {
      const [segment, bar] = [node.children[index], node.children[index].firstElementChild];
      if (segment instanceof HTMLElement) segment.style.flexGrow = String(cost);
      if (bar instanceof HTMLElement) bar.style.width = `${100 * share}%`;
    });
  };
  return { node, update };
}
