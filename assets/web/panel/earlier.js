// @ts-check
// The earlier runs of this browser.

import { make, makeButton, setPressed, setText } from "./dom.js";
import { KeyedList } from "./keyed_list.js";

/** @import { Context } from "./context.js" */
/** @import { EarlierRun, Value } from "./value.js" */

/**
 * Make the section with the earlier runs.
 *
 * @param {Context} context
 */
export function makeEarlierRuns(context) {
  const { words } = context;
  const list = make("ul", { className: "st-strip st-earlier", role: "list", "aria-label": words.earlier });
  const runs = new KeyedList(
    list,
    (/** @type {EarlierRun} */ item) => item.run,
    (item) => makeEarlierRun(context, item),
  );
  const keptFor = make("span", { className: "st-kept" });
  const heading = make("h2", { className: "st-heading" }, make("span", { textContent: words.earlier }), keptFor);
  const node = make("section", { className: "st-earlier-section", "aria-label": words.earlier }, heading, list);
  /** @param {Value} value */
  const update = ({ earlier, kept }) => {
    runs.update(earlier);
    node.hidden = !earlier.length;
    setText(keptFor, kept);
  };
  return { node, update };
}

/**
 * Make the card of an earlier run, which a click shows. The card of the shown run has buttons.
 *
 * @param {Context} context
 * @param {EarlierRun} item
 */
function makeEarlierRun(context, { run, thumb, title }) {
  const { words, sendAction } = context;
  const picture = make("img", { src: thumb.url, alt: "", className: "st-thumb", draggable: false });
  const label = make("span", { className: "st-title", textContent: title });
  const opens = { type: "button", className: "st-look", onclick: () => requestRun(context, run) };
  const showButton = make("button", opens, picture, label);
  const use = makeButton(words.use, () => sendAction({ do: "use", run }), { className: "st-small" });
  const forget = makeForgetButton(context, run);
  const tools = make("span", { className: "st-row" }, use, forget);
  /** @param {EarlierRun} item */
  const update = (item) => {
    setText(label, item.title);
    if (picture.getAttribute("src") !== item.thumb.url) picture.src = item.thumb.url;
    setPressed(showButton, item.current);
    tools.hidden = !item.current;
  };
  return { node: make("li", { className: "st-card st-earlier-run" }, showButton, tools), update };
}

/**
 * Make the button that deletes a run. It asks once more, since nothing brings the files back.
 *
 * @param {Context} context
 * @param {string} run
 */
function makeForgetButton({ words, sendAction }, run) {
  let isSure = false;
  /** @param {boolean} sure */
  const setSure = (sure) => {
    isSure = sure;
    setText(node, sure ? words.forget_sure : words.forget);
  };
  const node = makeButton(words.forget, () => (isSure ? sendAction({ do: "forget", run }) : setSure(true)), {
    className: "st-small",
    onblur: () => setSure(false),
    onkeydown: (/** @type {KeyboardEvent} */ { key }) => {
      if (key === "Escape") setSure(false);
    },
  });
  return node;
}

/**
 * Ask the server to show an earlier run.
 *
 * @param {Context} context
 * @param {string} run
 */
function requestRun(context, run) {
  context.requested.run = true;
  context.viewer.followsRun = false;
  context.sendAction({ do: "look", run });
}
