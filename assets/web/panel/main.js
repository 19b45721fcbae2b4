// @ts-check
// Builds the stages panel from its parts, and updates them from each value that the server sends.

import { makeCandidates } from "./candidates.js";
import { makeCaptions, updateCaptions } from "./captions.js";
import { makeStrip } from "./cards.js";
import { makeChangeTest } from "./changes.js";
import { Compare } from "./compare.js";
import { make, setText } from "./dom.js";
import { makeEarlierRuns } from "./earlier.js";
import { makeExamples } from "./examples.js";
import { handleKeys, handleMouse, handleTouch } from "./input.js";
import { makeNotes } from "./notes.js";
import { makeNotifySwitch } from "./notify.js";
import { makeProgressBar } from "./progress_bar.js";
import { makeComplaints } from "./share.js";
import {
  addPictures,
  removePictures,
  showRequested,
  showRequestedComparison,
  showSmaller,
  toggleCompare,
} from "./shown.js";
import { makeStatusLine } from "./status.js";
import { Toolbar } from "./toolbar.js";
import { EMPTY_VALUE } from "./value.js";
import { Viewer } from "./viewer.js";

/** @import { Context, Host } from "./context.js" */
/** @import { Value } from "./value.js" */

const PAGE_TITLE = document.title;

/**
 * Build the panel. Return the function that shows a value; it ignores a value that is older than the one it shows.
 *
 * @param {Host} host
 * @returns {(value: Value | null) => void}
 */
export function buildPanel(host) {
  const context = makeContext(host);
  const update = buildParts(context);
  context.refresh = () => {
    const focused = host.root.contains(document.activeElement) ? document.activeElement : null;
    update(context);
    // The button that was pressed last may be gone.
    if (focused && document.activeElement === document.body) context.viewer.frame.focus({ preventScroll: true });
  };
  context.refresh();
  return (value) => {
    if (!value || value.at < context.value.at) return;
    if (value.run !== context.value.run) context.viewer.followsRun = true;
    context.value = value;
    context.refresh();
  };
}

/**
 * Return the context. Its parts are made in this order, because each part uses those before it.
 *
 * @param {Host} host
 * @returns {Context}
 */
function makeContext(host) {
  const context = /** @type {Context} */ ({
    ...host,
    value: EMPTY_VALUE,
    pictures: new Map(),
    runTitles: new Map(),
    requested: { number: EMPTY_VALUE.show.n, key: "", run: false, compare: false, comparison: 0 },
  });
  context.viewer = new Viewer(() => updateCaptions(context));
  context.captions = makeCaptions(context);
  context.toolbar = new Toolbar(context);
  context.compare = new Compare(context);
  context.status = makeStatusLine(context);
  context.strip = makeStrip(context);
  context.candidates = makeCandidates(context);
  context.viewerPart = makeViewerPart(context);
  return context;
}

/**
 * Put the viewer, its tools and the comparison together, and connect the input handlers.
 *
 * @param {Context} context
 */
function makeViewerPart(context) {
  const { viewer, captions, toolbar, compare, words } = context;
  const { frame } = viewer;
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-label", words.viewer);
  frame.setAttribute("aria-describedby", captions.description.id);
  const drop = make("div", { className: "st-drop", textContent: words.drop_here, "aria-hidden": "true" });
  frame.append(captions.corner, captions.hint, captions.placeholder, context.candidates.node, drop);
  handleMouse(viewer);
  handleTouch(viewer, (isEngaged) => setText(captions.hint, isEngaged ? words.taken : ""));
  handleKeys(viewer, {
    showSmaller: (on) => showSmaller(context, on),
    compare: () => toggleCompare(context),
    moveDivider: (by) => compare.moveDivider(by),
    help: () => toolbar.toggleKeys(),
  });
  const parts = [frame, captions.description, toolbar.row, toolbar.keysList, compare.panel];
  const node = make("div", { className: "st-bench" }, ...parts);
  node.addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && !toolbar.keysList.hidden) toolbar.toggleKeys();
  });
  return node;
}

/**
 * Put all parts into the panel. Return the function that updates them from the context's value.
 *
 * @param {Context} context
 * @returns {(context: Context) => void}
 */
function buildParts(context) {
  const { root, status, strip, viewer, viewerPart, toolbar } = context;
  const complaints = makeComplaints(context);
  const [notes, earlierRuns] = [makeNotes(context), makeEarlierRuns(context)];
  const isNewPreview = makeChangeTest();
  const bar = makeProgressBar();
  const notify = makeNotifySwitch(context);
  status.node.append(notify.node);
  const top = make("div", { className: "st-top" }, status.node, bar.node);
  const after = make("div", { className: "st-after" }, complaints.node, notes.node);
  root.append(top, strip.node, viewerPart, after, earlierRuns.node, makeExamples(context));
  return ({ value, runTitles }) => {
    for (const item of value.earlier) runTitles.set(item.run, item.title);
    addPictures(context);
    removePictures(context);
    status.update(value.status);
    bar.update(value.bar);
    notify.update(value);
    showRequested(context);
    showRequestedComparison(context);
    viewer.largestWidth = Math.max(0, ...value.cards.map(({ size }) => size[1]));
    if (isNewPreview(value.preview?.image)) viewer.showPreview(value.preview);
    viewer.setDimmed(value.active && viewer.followsRun && viewer.picture?.run !== value.run);
    context.candidates.update(value.candidates);
    strip.update(value.cards);
    // A list that scrolls must be reachable by keys: through a button in it, else the list itself takes the focus.
    const scrolls = strip.node.scrollHeight > strip.node.clientHeight || strip.node.scrollWidth > strip.node.clientWidth;
    strip.node.tabIndex = !scrolls || strip.node.querySelector("a, button:not([hidden])") ? -1 : 0;
    earlierRuns.update(value);
    notes.update(value.notes);
    toolbar.saveMenu.update(value.share);
    complaints.update(value.complaints);
    toolbar.refresh();
    updatePageTitle(value);
  };
}

/**
 * Show the progress of the present stage in percent in the title of the browser's tab.
 *
 * @param {Value} value
 */
function updatePageTitle({ working }) {
  document.title = working ? `${Math.round(100 * working.share)} % · ${PAGE_TITLE}` : PAGE_TITLE;
}
