// @ts-check
// The examples: runs that come with the app. A click shows one and sets its settings.

import { make } from "./dom.js";
import { scrollToViewer } from "./shown.js";

/** @import { Context } from "./context.js" */

/**
 * Make the section with the examples, hidden if there are none.
 *
 * @param {Context} context
 */
export function makeExamples(context) {
  const { words, examples, sendAction, viewer } = context;
  const items = examples.map(({ name, title, thumb }) => {
    const picture = make("img", { src: thumb, alt: "", className: "st-thumb", draggable: false });
    const label = make("span", { className: "st-title", textContent: title });
    const onclick = () => {
      viewer.followsRun = false;
      sendAction({ do: "example", name });
      scrollToViewer(context);
    };
    const button = make("button", { type: "button", className: "st-look", onclick }, picture, label);
    return make("li", { className: "st-card st-example" }, button);
  });
  const list = make("ul", { className: "st-strip st-examples", role: "list", "aria-label": words.examples }, ...items);
  const heading = make("h2", { className: "st-heading", textContent: words.examples });
  const section = { className: "st-examples-section", "aria-label": words.examples, hidden: !items.length };
  return make("section", section, heading, list);
}
