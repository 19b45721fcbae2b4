// @ts-check
// The strip of stages: one card for each stage.

import { makeSaver } from "./actions.js";
import { make, makeButton, setPressed, setText } from "./dom.js";
import { makeIcon, makeIconButton } from "./icons.js";
import { KeyedList } from "./keyed_list.js";
import { clamp } from "./numbers.js";
import { followRun, showChosen } from "./shown.js";
import { fill, formatSize } from "./text.js";

/** @import { Context } from "./context.js" */
/** @import { Card, Picture, Size } from "./value.js" */

/**
 * The card of a stage on the page.
 *
 * @typedef {object} CardEntry
 * @property {HTMLElement} node
 * @property {(card: Card) => void} update
 * @property {() => void} markShown  marks the card as pressed if the viewer shows its picture
 */

/**
 * Make the strip.
 *
 * @param {Context} context
 * @returns {KeyedList<Card, CardEntry>}
 */
export function makeStrip(context) {
  const node = make("ol", { className: "st-strip st-stages", role: "list", "aria-label": context.words.strip });
  return new KeyedList(node, cardKey, (card) =>
    card.picture ? makeFinishedCard(context, card, card.picture) : makePlannedCard(context, card),
  );
}

/**
 * Return a card's key. A finished stage always has the same key, another stage while its number and size stay.
 *
 * @param {Card} card
 */
function cardKey({ picture, number, of, size }) {
  return picture ? `made ${picture.key}` : `stage ${number} of ${of}, ${size}`;
}

/**
 * Make the card of a finished stage: its picture, which a click shows in the viewer, and its buttons.
 *
 * @param {Context} context
 * @param {Card} card
 * @param {Picture} picture
 * @returns {CardEntry}
 */
function makeFinishedCard(context, { price }, picture) {
  const { words, sendAction } = context;
  const [height, width] = picture.size;
  const textValues = { number: picture.number, of: picture.of, width, height, price };
  const thumb = make("img", { src: picture.thumb.url, alt: "", className: "st-thumb", draggable: false });
  const showButton = make(
    "button",
    {
      type: "button",
      className: "st-look",
      "aria-label": fill(words.stage_name, textValues),
      onclick: () => showChosen(context, context.pictures.get(picture.key) ?? picture),
    },
    thumb,
  );
  showButton.style.aspectRatio = cardAspect(picture.size);
  const download = make(
    "a",
    {
      className: "st-icon",
      href: picture.file.url,
      download: picture.name,
      onclick: makeSaver(context),
      title: words.download,
      "aria-label": fill(words.download_stage, textValues),
    },
    makeIcon("download"),
  );
  const tools = make("span", { className: "st-row" }, download);
  const nextSize = make("span", { className: "st-again" });
  const stop = makeStopButton(context, textValues);
  const facts = makeFacts(context, picture.size, price).node;
  const node = make("li", { className: "st-card" }, showButton, facts, tools, nextSize);
  const onGrow = () => sendAction({ do: "grow", run: picture.run, stage: picture.number });
  const grow = makeIconButton("enlarge", fill(words.grow_stage, textValues), onGrow);
  tools.append(stop);
  const markShown = () => setPressed(showButton, context.viewer.picture?.key === picture.key);
  /** @param {Card} card */
  const update = (card) => {
    if (card.grow && !grow.isConnected) download.after(grow);
    if (!card.grow) grow.remove();
    setText(nextSize, card.again ? fill(words.again, { what: card.again }) : "");
    stop.hidden = !card.stop;
    setPressed(stop, card.stopping);
    markShown();
  };
  return { node, update, markShown };
}

/**
 * Make the toggle button that lets the run, or the next run, pause after a stage.
 *
 * @param {Context} context
 * @param {{ number: number }} textValues  the values of the button's name
 */
function makeStopButton(context, textValues) {
  const { words, sendAction } = context;
  const onclick = () => sendAction({ do: "stop_here", stage: textValues.number, run: context.value.run });
  return makeIconButton("pause", fill(words.stop_at, textValues), onclick);
}

/**
 * Return the aspect ratio of a card's picture: width over height of the stage, limited to the range 0.75 to 2.
 *
 * @param {Size} size
 */
function cardAspect([height, width]) {
  return String(clamp(width / height, 0.75, 2));
}

/**
 * Make the line with a stage's size and time.
 *
 * @param {Context} context
 * @param {Size} size
 * @param {string} price
 */
function makeFacts({ words }, size, price) {
  const time = make("span", { textContent: price });
  const sizeText = make("span", { textContent: formatSize(words, size) });
  return { node: make("span", { className: "st-facts" }, sizeText, time), time };
}

/**
 * Make the card of a stage that is planned or in progress.
 *
 * @param {Context} context
 * @param {Card} card
 * @returns {CardEntry}
 */
function makePlannedCard(context, { number, of, size, price }) {
  const { words, viewer } = context;
  const [height, width] = size;
  const textValues = { number, of, width, height };
  const bar = make("span", { className: "st-bar" });
  const progress = make(
    "span",
    {
      className: "st-progress",
      role: "progressbar",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-label": fill(words.progress_of, textValues),
    },
    bar,
  );
  const step = make("span");
  const timeLeft = make("span", { className: "st-left" });
  const outline = make("span", { className: "st-outline", textContent: String(Math.max(...size)) });
  const image = make("img", { className: "st-thumb st-preview", alt: "", hidden: true, draggable: false });
  const pictureArea = make("span", { className: "st-well" }, image, outline, step, timeLeft, progress);
  pictureArea.style.aspectRatio = cardAspect(size);
  const stop = makeStopButton(context, textValues);
  const watch = makeButton(words.watch, () => followRun(context), { className: "st-small" });
  const name = make("span", { className: "st-unseen", textContent: fill(words.planned, textValues) });
  const tools = make("span", { className: "st-row" }, stop, watch);
  const facts = makeFacts(context, size, price);
  const node = make("li", { className: "st-card" }, name, pictureArea, facts.node, tools);
  /** @param {Card} card */
  const update = (card) => {
    const isWorking = card.state === "working";
    const { share = 0, text = "", left = "" } = (isWorking && context.value.working) || {};
    const percent = Math.round(100 * share);
    node.classList.toggle("st-working", isWorking);
    const preview = isWorking ? context.value.preview : null;
    image.hidden = !preview;
    if (preview && image.src !== preview.image) image.src = preview.image;
    progress.hidden = !isWorking;
    progress.setAttribute("aria-valuenow", String(percent));
    bar.style.width = `${percent}%`;
    setText(step, text);
    setText(timeLeft, left);
    setText(facts.time, card.price);
    outline.style.width = outline.style.height = `${(90 * width) / Math.max(width, viewer.largestWidth)}%`;
    stop.hidden = !card.stop;
    setPressed(stop, card.stopping);
    watch.hidden = !isWorking || viewer.followsRun;
  };
  return { node, update, markShown: () => {} };
}
