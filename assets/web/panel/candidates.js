// @ts-check
// The pictures of the first stage from which a person chooses one. They cover the viewer.

import { make, setText } from "./dom.js";
import { KeyedList } from "./keyed_list.js";
import { fill } from "./text.js";

/** @import { Context } from "./context.js" */
/** @import { Candidate } from "./value.js" */

/**
 * Make the list of the candidates, which is hidden while there are none.
 *
 * @param {Context} context
 */
export function makeCandidates(context) {
  const { words } = context;
  const node = make("ul", { className: "st-candidates", role: "list", "aria-label": words.candidates, hidden: true });
  // The viewer's keys and gestures are not meant for the pictures on it.
  for (const name of ["keydown", "keyup", "pointerdown", "touchstart", "wheel", "dblclick"]) {
    node.addEventListener(name, (event) => event.stopPropagation());
  }
  return new KeyedList(
    node,
    (/** @type {Candidate} */ candidate) => candidate.run,
    ({ run }) => makeCandidate(context, run),
  );
}

/**
 * Make a candidate: a button with its picture, or with its preview while it is in progress.
 *
 * @param {Context} context
 * @param {string} run
 */
function makeCandidate(context, run) {
  const { words, sendAction } = context;
  const image = make("img", { alt: "", hidden: true, draggable: false });
  const progress = make("span", { className: "st-candidate-progress" });
  const button = make(
    "button",
    { type: "button", className: "st-candidate", onclick: () => sendAction({ do: "choose", run }) },
    image,
    progress,
  );
  const node = make("li", {}, button);
  /** @param {Candidate} candidate */
  const update = ({ seed, picture, working }) => {
    const { value } = context;
    const number = value.candidates.findIndex((candidate) => candidate.run === run) + 1;
    const source = picture?.proxy.url ?? (working ? value.preview?.image : null);
    image.hidden = !source;
    if (source && image.getAttribute("src") !== source) image.src = source;
    setText(progress, picture ? "" : working ? (value.working?.text ?? words.starting) : "");
    button.disabled = !picture;
    button.setAttribute("aria-label", fill(words.candidate, { number, seed: seed ?? "" }));
  };
  return { node, update };
}
