// @ts-check
// Which pictures can be shown, and which one is.

import { setPressed, setText } from "./dom.js";

/** @import { Context } from "./context.js" */
/** @import { Picture } from "./value.js" */

/**
 * Add those finished pictures of the newest value that are new.
 *
 * @param {Context} context
 */
export function addPictures({ value, pictures, compare }) {
  const finished = [...value.others, ...value.cards.flatMap(({ picture }) => (picture ? [picture] : []))];
  const added = finished.filter((picture) => !pictures.has(picture.key));
  for (const picture of added) pictures.set(picture.key, picture);
  compare.addPictures(added);
}

/**
 * Remove all pictures that may no longer stay on the page, also from the viewer and the comparison.
 *
 * @param {Context} context
 */
export function removePictures({ value, pictures, runTitles, viewer, compare, captions, words }) {
  const gone = [...pictures.values()].filter(({ run }) => run && !value.here.includes(run));
  for (const { key } of gone) pictures.delete(key);
  for (const name of runTitles.keys()) if (!value.here.includes(name)) runTitles.delete(name);
  if (!gone.length) return;
  const keys = new Set(gone.map(({ key }) => key));
  viewer.remove(keys);
  compare.removePictures(keys);
  if (!viewer.picture) setText(captions.description, words.viewer_hint);
}

/**
 * Show a picture in the viewer and mark its card.
 *
 * @param {Context} context
 * @param {Picture} picture
 */
function show({ viewer, strip, captions, words, toolbar }, picture) {
  viewer.show(picture);
  for (const card of strip.entries.values()) card.markShown();
  setText(captions.description, `${picture.alt} ${words.viewer_hint}`);
  toolbar.refresh();
}

/**
 * Show a picture that a person clicked on, and stop following the run.
 *
 * @param {Context} context
 * @param {Picture} picture
 */
export function showChosen(context, picture) {
  const { viewer, compare } = context;
  viewer.followsRun = false;
  show(context, picture);
  if (compare.isOpen) compare.showRight(picture);
}

/**
 * Show the picture that the server requests as soon as the picture is known; the newest one if none is shown.
 *
 * @param {Context} context
 */
export function showRequested(context) {
  const { value, pictures, requested, compare, viewer } = context;
  if (value.show.n !== requested.number) {
    requested.number = value.show.n;
    requested.key = value.show.key;
  }
  const picture = pictures.get(requested.key);
  if (picture) {
    requested.key = "";
    show(context, picture);
    if (requested.run && compare.isOpen) compare.showRight(picture);
    requested.run = false;
  }
  const latest = value.cards.findLast((card) => card.picture)?.picture;
  if (!viewer.picture && latest) show(context, pictures.get(latest.key) ?? latest);
}

/**
 * Follow the run again: show its previews and new stages as they arrive.
 *
 * @param {Context} context
 */
export function followRun({ viewer, refresh }) {
  viewer.followsRun = true;
  viewer.requestDraw();
  refresh();
}

/**
 * Scroll the viewer and the status line above it into view.
 *
 * @param {Context} context
 */
export function scrollToViewer({ viewer, status }) {
  viewer.frame.scrollIntoView({ block: "nearest" });
  status.node.scrollIntoView({ block: "nearest" });
}

/**
 * Return the picture of the next smaller finished stage of the run whose picture is shown; null if there is none.
 *
 * @param {Context} context
 */
export function smallerPicture({ value, pictures, viewer }) {
  const shown = viewer.picture;
  const topLayer = (viewer.followsRun && value.preview) || shown;
  if (!topLayer) return null;
  const stripPictures = value.cards.flatMap(({ picture }) => pictures.get(picture?.key ?? "") ?? []);
  const isInStrip = topLayer !== shown || stripPictures.some((picture) => picture.key === shown?.key);
  const stages = isInStrip ? stripPictures : [...pictures.values()].filter(({ run }) => run === shown?.run);
  const smaller = stages.filter((picture) => picture.size[1] < topLayer.size[1]);
  return smaller.sort((one, other) => other.size[1] - one.size[1])[0] ?? null;
}

/**
 * Show the next smaller picture, enlarged, in place of the picture while `on` is true.
 *
 * @param {Context} context
 * @param {boolean} on
 */
export function showSmaller({ viewer, toolbar }, on) {
  if (viewer.showsSmaller === on) return;
  viewer.showsSmaller = on;
  setPressed(toolbar.buttons.hold, on);
  viewer.requestDraw();
}

/**
 * Open the comparison of the shown picture with the next smaller one, or close it. The server is asked for the pictures
 * of all kept runs, so that any two can be chosen.
 *
 * @param {Context} context
 */
export function toggleCompare(context) {
  const { compare, requested, sendAction } = context;
  if (!compare.isOpen) {
    sendAction({ do: "pictures" });
    requested.compare = !openCompare(context);
  } else {
    compare.toggle();
  }
}

/**
 * Open the comparison of the shown picture with the next smaller one. Return whether there were two pictures.
 *
 * @param {Context} context
 */
function openCompare(context) {
  const { pictures, viewer, compare } = context;
  const others = [...pictures.values(), smallerPicture(context)].filter((picture) => picture !== viewer.picture);
  const other = others.findLast((picture) => picture);
  if (other && viewer.picture) compare.toggle(other, viewer.picture);
  return compare.isOpen;
}

/**
 * Open the comparison that a person or the server asked for, as soon as its pictures are known.
 *
 * @param {Context} context
 */
export function showRequestedComparison(context) {
  const { value, pictures, requested, compare } = context;
  if (requested.compare && value.others.length) requested.compare = !openCompare(context);
  if (value.comparison.n === requested.comparison) return;
  const [a, b] = value.comparison.keys.map((key) => pictures.get(key));
  if (value.comparison.keys.length && !(a && b)) return;
  requested.comparison = value.comparison.n;
  if (a && b) compare.open(a, b);
  else if (compare.isOpen) compare.toggle();
}
