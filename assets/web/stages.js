// The component: what is known, what is shown, the viewer's tools, and what a new value changes.

const root = element.querySelector(".st") || element;
const words = props.words || {};
const known = new Map();
const titles = new Map();
const told = new Map();
const title = document.title;
let [run, turn, wanted, lookedFor, newest] = [null, null, null, false, 0];

const act = (data) => trigger('act', data);

/** Whether this part of the value differs from the last time it was asked about. */
function fresh(name, data) {
  const now = JSON.stringify(data ?? null);
  if (told.get(name) === now) return false;
  told.set(name, now);
  return true;
}

// The viewer and its tools.

const viewer = new Viewer(() => tellWhere());
const compare = new Compare(viewer, words, known, nameOf, () => refreshTools());
const status = makeStatus();
const described = make("p", { className: "st-unseen", id: "viewer-description" });
const tag = make("span", { className: "st-tag" });
const empty = make("span", { className: "st-empty", textContent: words.empty });
const readout = make("span", { className: "st-readout" });
const tools = makeTools();
const keysList = makeKeysList();
const hint = make("span", { className: "st-hint" });
const bench = make("div", { className: "st-bench" });

// The parts below the viewer.

const share = make("div", { className: "st-row st-share", role: "group", "aria-label": words.share });
const notes = make("div", { className: "st-notes", "aria-live": "polite" });
const strange = make("div", { className: "st-notes", "aria-live": "polite" });
const complaints = make("div", { className: "st-row", role: "group", "aria-label": words.not_right });
const complaintsPart = make(
  "div",
  { className: "st-row st-complaints" },
  make("span", { className: "st-label", textContent: words.not_right }),
  complaints,
);
const strip = new Row(
  make("ol", { className: "st-strip", role: "list", "aria-label": words.strip }),
  cardKey,
  makeCard,
);
const list = make("ul", { className: "st-strip st-earlier", role: "list", "aria-label": words.earlier });
const earlierRuns = new Row(list, (item) => item.run, makeEarlier);
const kept = make("span", { className: "st-kept" });
const heading = make("h2", { className: "st-heading" }, make("span", { textContent: words.earlier }), kept);
const earlierPart = make("section", { "aria-label": words.earlier }, heading, list);

function toggleCompare() {
  const others = [...known.values(), smallerPicture()].filter(
    (picture) => picture && picture !== viewer.shown,
  );
  compare.toggle(others.at(-1), viewer.shown);
}

/** Runs after each drawing: the size and zoom beside the tools, and what stands in the corner of the picture. */
function tellWhere() {
  empty.hidden = Boolean(viewer.layer());
  const [side] = viewer.sides().sort((one, other) => other.layer.size[1] - one.layer.size[1]);
  for (const node of side ? [] : [readout, tag]) say(node, "");
  if (!side) return;
  const { layer } = side;
  const percent = Math.round(viewer.place(side).scale * 100);
  say(readout, fill(words.readout, { size: pixels(layer.size), percent }));
  say(tag, viewer.pair ? "" : tagOf(layer));
}

function tagOf(layer) {
  if (viewer.held && layer === viewer.smaller) return fill(words.enlarged, { width: layer.size[1] });
  if (layer.image) return fill(words.preview, { number: layer.stage });
  if (!viewer.windows) return "";
  const { windows = [], lattice = 0 } = layer;
  return fill(lattice > 1 ? words.windows_and_lattice : words.windows_only, {
    count: windows.length,
    lattice,
  });
}

function refreshTools() {
  viewer.smaller = smallerPicture();
  tools.hold.disabled = !viewer.smaller || compare.open;
  tools.compare.disabled = known.size < 2 || !viewer.shown;
  tools.windows.disabled = !viewer.shown?.windows?.length;
  press(tools.compare, compare.open);
}

function lookAt(name) {
  lookedFor = true;
  viewer.following = false;
  act({ do: "look", run: name });
}

// What is shown.

function nameOf({ run: name, alt, number, of, size }) {
  return fill(words.picture_name, { title: titles.get(name) || alt, number, of, size: pixels(size) });
}

function remember(pictures) {
  const unknown = pictures.filter((picture) => picture && !known.has(picture.key));
  for (const picture of unknown) known.set(picture.key, picture);
  compare.offer(unknown);
}

/** Pictures of runs that were removed leave the memory, the screen and the choice. */
function letGo(here) {
  const gone = [...known.values()].filter((picture) => !here.includes(picture.run));
  for (const { key } of gone) known.delete(key);
  for (const name of titles.keys()) if (!here.includes(name)) titles.delete(name);
  if (!gone.length) return;
  for (const place of ["shown", "last"]) if (gone.includes(viewer[place])) viewer[place] = null;
  compare.withdraw(new Set(gone.map(({ key }) => key)));
  if (!viewer.shown) say(described, words.viewer_hint);
  viewer.soon();
}

function showByHand(picture) {
  viewer.following = false;
  show(picture);
  if (compare.open) compare.showRight(picture);
}

function show(picture) {
  viewer.show(picture);
  for (const card of strip.kept.values()) if (card.look) press(card.look, card.key === picture.key);
  say(described, `${picture.alt || ""} ${words.viewer_hint}`);
  refreshTools();
}

function follow() {
  viewer.following = true;
  viewer.soon();
  render();
}

/** The finished stages of the run that is on the screen, and of it the next smaller one. */
function smallerPicture() {
  const { shown } = viewer;
  const strips = (props.value?.cards || []).flatMap(({ picture }) =>
    picture ? [known.get(picture.key)] : [],
  );
  const above = viewer.following && props.value?.preview ? props.value.preview : shown;
  const ofStrip = above !== shown || strips.some((picture) => picture.key === shown?.key);
  const stages = ofStrip ? strips : [...known.values()].filter((picture) => picture.run === shown?.run);
  const smaller = stages.filter((picture) => picture.size[1] < above.size[1]);
  return smaller.sort((one, other) => other.size[1] - one.size[1])[0] || null;
}

function hold(on) {
  if (viewer.held === on) return;
  viewer.held = on;
  press(tools.hold, on);
  viewer.soon();
}

// A new value.

function render() {
  const value = props.value || {};
  if (value.at < newest) return;
  newest = value.at || newest;
  const [cards, earlier, preview] = [value.cards || [], value.earlier || [], value.preview];
  if (value.run !== run) viewer.following = true;
  run = value.run;
  for (const item of earlier) titles.set(item.run, item.title);
  remember(cards.map(({ picture }) => picture));
  letGo(value.here || []);
  status.update(value.status || {});
  showWanted(value.show || {}, cards);
  viewer.widest = Math.max(0, ...cards.map(({ size }) => size[1]));
  if (fresh("preview", preview?.image)) viewer.foresee(preview);
  strip.update(cards, value.working);
  // A row that scrolls must be reached by keys, if not through its buttons.
  strip.node.tabIndex = strip.node.querySelector("a, button:not([hidden])") ? -1 : 0;
  earlierRuns.update(earlier);
  earlierPart.hidden = !earlier.length;
  say(kept, value.kept || "");
  if (fresh("notes", value.notes)) showNotes(value.notes || []);
  renderActions("share", share, value.share);
  renderActions("complaints", complaints, value.complaints);
  complaintsPart.hidden = complaints.hidden;
  refreshTools();
  tellTitle(value.working);
}

/** How far a run is, in the tab's title. */
function tellTitle(working) {
  document.title = working ? `${Math.round(100 * working.share)} % · ${title}` : title;
}

/** Words that the model does not know are told beside the prompt, all else beside the picture. */
function showNotes(all) {
  const near = ({ kind }) => kind === "words";
  strange.replaceChildren(...all.filter(near).map(noteNode));
  notes.replaceChildren(...all.filter((note) => !near(note)).map(noteNode));
}

/** The picture asked for by `show`, as soon as it is known; the newest one where none was asked for. */
function showWanted({ n, key }, cards) {
  if (n !== turn) [turn, wanted] = [n, key];
  const picture = known.get(wanted);
  if (picture) {
    wanted = null;
    show(picture);
    if (lookedFor && compare.open) compare.showRight(picture);
    lookedFor = false;
  }
  const latest = cards.findLast((card) => card.picture);
  if (!viewer.shown && latest) show(known.get(latest.picture.key));
}

function build() {
  const { frame } = viewer;
  frame.setAttribute("role", "application");
  frame.setAttribute("aria-label", words.viewer);
  frame.setAttribute("aria-describedby", described.id);
  frame.append(tag, hint, empty);
  const { fit, one, hold: smaller, compare: two, windows, help, full } = tools;
  const row = make("div", { className: "st-row st-tools", role: "group", "aria-label": words.tools });
  row.append(fit, one, smaller, two, windows, full, help, readout);
  bench.append(frame, described, row, keysList, compare.panel);
  root.append(status.node, strange, bench, share, notes, strip.node, complaintsPart, earlierPart);
  handleMouse(viewer);
  handleTouch(viewer, (taken) => say(hint, taken ? words.taken : ""));
  bench.addEventListener("keydown", (event) => event.key === "Escape" && !keysList.hidden && toggleKeys());
  handleKeys(viewer, { hold, compare: toggleCompare, divide: (by) => compare.divide(by), help: toggleKeys });
}

build();
render();
watch("value", render);
