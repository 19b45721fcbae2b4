// The stages panel: builds its parts and updates them from each value that the server sends. Gradio provides `element`,
// `props`, `trigger` and `watch`; the other scripts of the panel come before this one in the same function.

const root = element.querySelector(".st") || element;
const words = props.words || {};
// Finished pictures that may be shown, by key.
const pictures = new Map();
// Titles of earlier runs, by run.
const runTitles = new Map();
// The data that each part of the panel showed last, as JSON, by the part's name.
const lastData = new Map();
const pageTitle = document.title;
// The name of the run that is shown.
let shownRun = null;
// The server's last request to show a picture: the request's number, and the picture's key until it has been shown.
let lastRequestNumber = null;
let requestedKey = null;
// Whether a person chose an earlier run that the server has not shown yet.
let runIsRequested = false;
// The number of the newest value that was shown.
let newestValueNumber = 0;

/** Send the action of a pressed button to the server. */
const sendAction = (data) => trigger('act', data);

/** Store the data of a part of the panel. Return whether they differ from the part's last data. */
function storeIfChanged(name, data) {
  const now = JSON.stringify(data ?? null);
  if (lastData.get(name) === now) return false;
  lastData.set(name, now);
  return true;
}

// The viewer and its tools.

const viewer = new Viewer(() => updateReadout());
const compare = new Compare(viewer, words, pictures, pictureName, () => refreshTools());
const status = makeStatus();
const description = make("p", { className: "st-unseen", id: "viewer-description" });
const cornerTag = make("span", { className: "st-tag" });
const placeholder = make("span", { className: "st-empty", textContent: words.empty });
const readout = make("span", { className: "st-readout" });
const tools = makeTools();
const keysList = makeKeysList();
const hint = make("span", { className: "st-hint" });
const viewerPart = make("div", { className: "st-bench" });

// The parts below the viewer.

const shareRow = make("div", { className: "st-row st-share", role: "group", "aria-label": words.share });
const notes = make("div", { className: "st-notes", "aria-live": "polite" });
const unknownWordsNotes = make("div", { className: "st-notes", "aria-live": "polite" });
const complaints = make("div", { className: "st-row", role: "group", "aria-label": words.not_right });
const complaintsPart = make(
  "div",
  { className: "st-row st-complaints" },
  make("span", { className: "st-label", textContent: words.not_right }),
  complaints,
);
const strip = new KeyedList(
  make("ol", { className: "st-strip", role: "list", "aria-label": words.strip }),
  cardKey,
  makeCard,
);
const earlierList = make("ul", { className: "st-strip st-earlier", role: "list", "aria-label": words.earlier });
const earlierRuns = new KeyedList(earlierList, (item) => item.run, makeEarlierRun);
const keptFor = make("span", { className: "st-kept" });
const heading = make("h2", { className: "st-heading" }, make("span", { textContent: words.earlier }), keptFor);
const earlierPart = make("section", { "aria-label": words.earlier }, heading, earlierList);

/** Open the comparison of the shown picture with the next smaller one, or close it. */
function toggleCompare() {
  const others = [...pictures.values(), smallerPicture()].filter(
    (picture) => picture && picture !== viewer.picture,
  );
  compare.toggle(others.at(-1), viewer.picture);
}

/** Update the size and zoom beside the tools, and the tag in the corner of the picture, after a drawing. */
function updateReadout() {
  placeholder.hidden = Boolean(viewer.layer());
  const [side] = viewer.sides().sort((one, other) => other.layer.size[1] - one.layer.size[1]);
  for (const node of side ? [] : [readout, cornerTag]) setText(node, "");
  if (!side) return;
  const { layer } = side;
  const percent = Math.round(viewer.placement(side).scale * 100);
  setText(readout, fill(words.readout, { size: formatSize(layer.size), percent }));
  setText(cornerTag, viewer.pair ? "" : cornerText(layer));
}

/** Return the text in the corner of the picture: "enlarged", "in the making", or the number of windows, else "". */
function cornerText(layer) {
  if (viewer.showsSmaller && layer === viewer.smaller) return fill(words.enlarged, { width: layer.size[1] });
  if (layer.image) return fill(words.preview, { number: layer.stage });
  if (!viewer.showWindows) return "";
  const { windows = [], lattice = 0 } = layer;
  return fill(lattice > 1 ? words.windows_and_lattice : words.windows_only, {
    count: windows.length,
    lattice,
  });
}

/** Enable the tools that have an effect now, and disable the others. */
function refreshTools() {
  viewer.smaller = smallerPicture();
  tools.hold.disabled = !viewer.smaller || compare.isOpen;
  tools.compare.disabled = pictures.size < 2 || !viewer.picture;
  tools.windows.disabled = !viewer.picture?.windows?.length;
  setPressed(tools.compare, compare.isOpen);
}

/** Ask the server to show an earlier run. */
function showRun(name) {
  runIsRequested = true;
  viewer.followsRun = false;
  sendAction({ do: "look", run: name });
}

// What is shown.

/** Return a picture's name in the lists of the comparison. */
function pictureName({ run: name, alt, number, of, size }) {
  return fill(words.picture_name, { title: runTitles.get(name) || alt, number, of, size: formatSize(size) });
}

/** Add those finished pictures that are new. */
function addPictures(candidates) {
  const added = candidates.filter((picture) => picture && !pictures.has(picture.key));
  for (const picture of added) pictures.set(picture.key, picture);
  compare.addPictures(added);
}

/** Remove all pictures whose run is not in `remainingRuns`, also from the viewer and the comparison. */
function removePictures(remainingRuns) {
  const gone = [...pictures.values()].filter((picture) => !remainingRuns.includes(picture.run));
  for (const { key } of gone) pictures.delete(key);
  for (const name of runTitles.keys()) if (!remainingRuns.includes(name)) runTitles.delete(name);
  if (!gone.length) return;
  for (const field of ["picture", "lastLayer"]) if (gone.includes(viewer[field])) viewer[field] = null;
  compare.removePictures(new Set(gone.map(({ key }) => key)));
  if (!viewer.picture) setText(description, words.viewer_hint);
  viewer.requestDraw();
}

/** Show a picture that a person clicked on, and stop following the run. */
function showChosen(picture) {
  viewer.followsRun = false;
  show(picture);
  if (compare.isOpen) compare.showRight(picture);
}

/** Show a picture in the viewer and mark its card. */
function show(picture) {
  viewer.show(picture);
  for (const card of strip.entries.values()) if (card.showButton) setPressed(card.showButton, card.key === picture.key);
  setText(description, `${picture.alt || ""} ${words.viewer_hint}`);
  refreshTools();
}

/** Follow the run again: show its previews and new stages as they arrive. */
function followRun() {
  viewer.followsRun = true;
  viewer.requestDraw();
  render();
}

/** Return the picture of the next smaller finished stage of the run whose picture is shown; null if there is none. */
function smallerPicture() {
  const shown = viewer.picture;
  const stripPictures = (props.value?.cards || []).flatMap(({ picture }) =>
    picture ? [pictures.get(picture.key)] : [],
  );
  const topLayer = viewer.followsRun && props.value?.preview ? props.value.preview : shown;
  const isInStrip = topLayer !== shown || stripPictures.some((picture) => picture.key === shown?.key);
  const stages = isInStrip ? stripPictures : [...pictures.values()].filter((picture) => picture.run === shown?.run);
  const smaller = stages.filter((picture) => picture.size[1] < topLayer.size[1]);
  return smaller.sort((one, other) => other.size[1] - one.size[1])[0] || null;
}

/** Show the next smaller picture, enlarged, in place of the picture while `on` is true. */
function showSmaller(on) {
  if (viewer.showsSmaller === on) return;
  viewer.showsSmaller = on;
  setPressed(tools.hold, on);
  viewer.requestDraw();
}

// A new value.

/** Update all parts of the panel from the server's value, unless a newer value was shown already. */
function render() {
  const value = props.value || {};
  if (value.at < newestValueNumber) return;
  newestValueNumber = value.at || newestValueNumber;
  const { cards = [], earlier = [], preview } = value;
  if (value.run !== shownRun) viewer.followsRun = true;
  shownRun = value.run;
  for (const item of earlier) runTitles.set(item.run, item.title);
  addPictures(cards.map(({ picture }) => picture));
  removePictures(value.here || []);
  status.update(value.status || {});
  showRequested(value.show || {}, cards);
  viewer.largestWidth = Math.max(0, ...cards.map(({ size }) => size[1]));
  if (storeIfChanged("preview", preview?.image)) viewer.showPreview(preview);
  strip.update(cards, value.working);
  // A list that scrolls must be reachable by keys: through a button in it, else the list itself takes the focus.
  strip.node.tabIndex = strip.node.querySelector("a, button:not([hidden])") ? -1 : 0;
  earlierRuns.update(earlier);
  earlierPart.hidden = !earlier.length;
  setText(keptFor, value.kept || "");
  if (storeIfChanged("notes", value.notes)) showNotes(value.notes || []);
  renderActions("share", shareRow, value.share);
  renderActions("complaints", complaints, value.complaints);
  complaintsPart.hidden = complaints.hidden;
  refreshTools();
  updatePageTitle(value.working);
}

/** Show the progress of the present stage in percent in the title of the browser's tab. */
function updatePageTitle(working) {
  document.title = working ? `${Math.round(100 * working.share)} % · ${pageTitle}` : pageTitle;
}

/** Show notes on unknown words near the prompt, and all other notes below the picture. */
function showNotes(all) {
  const isOnWords = ({ kind }) => kind === "words";
  unknownWordsNotes.replaceChildren(...all.filter(isOnWords).map(makeNote));
  notes.replaceChildren(...all.filter((note) => !isOnWords(note)).map(makeNote));
}

/** Show the picture that the server requests as soon as the picture is known; the newest one if none is shown. */
function showRequested({ n, key }, cards) {
  if (n !== lastRequestNumber) {
    lastRequestNumber = n;
    requestedKey = key;
  }
  const picture = pictures.get(requestedKey);
  if (picture) {
    requestedKey = null;
    show(picture);
    if (runIsRequested && compare.isOpen) compare.showRight(picture);
    runIsRequested = false;
  }
  const latest = cards.findLast((card) => card.picture);
  if (!viewer.picture && latest) show(pictures.get(latest.picture.key));
}

/** Put the parts of the panel together and connect the input handlers. */
function build() {
  const { frame } = viewer;
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-label", words.viewer);
  frame.setAttribute("aria-describedby", description.id);
  frame.append(cornerTag, hint, placeholder);
  const { fit, one, hold, compare: compareButton, windows, full, help } = tools;
  const row = make("div", { className: "st-row st-tools", role: "group", "aria-label": words.tools });
  row.append(fit, one, hold, compareButton, windows, full, help, readout);
  viewerPart.append(frame, description, row, keysList, compare.panel);
  root.append(status.node, unknownWordsNotes, viewerPart, shareRow, notes, strip.node, complaintsPart, earlierPart);
  handleMouse(viewer);
  handleTouch(viewer, (isEngaged) => setText(hint, isEngaged ? words.taken : ""));
  viewerPart.addEventListener("keydown", (event) => event.key === "Escape" && !keysList.hidden && toggleKeys());
  handleKeys(viewer, {
    showSmaller,
    compare: toggleCompare,
    moveDivider: (by) => compare.moveDivider(by),
    help: toggleKeys,
  });
}

build();
render();
watch("value", render);
