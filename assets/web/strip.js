// The parts around the viewer: buttons, status line, the strip of stages, notes, and earlier runs. Text is set as
// textContent only, so that it is never read as HTML.

/** Return a size as text, width first: "1024 × 768". */
const formatSize = ([height, width]) => fill(words.size, { width, height });

/** Make a button with a text; more: further properties and attributes. */
function makeButton(text, onclick, more = {}) {
  return make("button", { type: "button", className: "st-button", textContent: text, onclick, ...more });
}

/** Mark a toggle button as pressed or not. */
const setPressed = (node, on) => node.setAttribute("aria-pressed", String(Boolean(on)));

/** A list on the page with one element for each item. The element of an item is updated while the item's key stays. */
class KeyedList {
  /** keyOf: returns an item's key. makeItem: returns {node, update} for a new item. */
  constructor(node, keyOf, makeItem) {
    Object.assign(this, { node, keyOf, makeItem, entries: new Map() });
  }

  /** Show these items; further arguments are passed to each element's update. */
  update(items, ...more) {
    const keys = new Set(items.map(this.keyOf));
    for (const [key, { node }] of this.entries) {
      if (!keys.has(key)) node.remove();
    }
    const previous = this.entries;
    this.entries = new Map();
    items.forEach((item, index) => {
      const key = this.keyOf(item);
      const entry = previous.get(key) || this.makeItem(item);
      this.entries.set(key, entry);
      entry.update(item, ...more);
      const nodeAtIndex = this.node.children[index] || null;
      if (nodeAtIndex !== entry.node) this.node.insertBefore(entry.node, nodeAtIndex);
    });
    this.node.hidden = !items.length;
  }
}

// Actions: buttons and links that the server sends.

/** Make the button or link of an action. */
function makeAction(action) {
  const { label, ...data } = action;
  if (data.href) {
    const link = { className: "st-button", href: data.href.url || data.href, textContent: label };
    return make("a", { ...link, download: data.download ?? "", onclick: saveLink });
  }
  const node = makeButton(label, () => {
    if (data.do === "copy") copy(data.text, node, label);
    else if (data.place) sendAction({ ...data, place: viewer.rectangle(), key: viewer.picture?.key ?? "" });
    else sendAction(data);
  });
  return node;
}

/**
 * Show a row of actions unless they are the same as in the last call with this name. If a button had the focus, the
 * button at its position has the focus afterwards.
 */
function renderActions(name, node, actions) {
  if (!storeIfChanged(name, actions)) return;
  const focused = [...node.children].indexOf(document.activeElement);
  node.replaceChildren(...(actions || []).map(makeAction));
  node.hidden = !(actions || []).length;
  if (focused >= 0) node.children[Math.min(focused, node.children.length - 1)]?.focus();
}

/** Copy a text to the clipboard; if the browser refuses, show the text, selected, in a field beside the button. */
async function copy(text, node, label) {
  try {
    await navigator.clipboard.writeText(text);
    setText(status.announced, words.copied);
    setText(node, words.copied);
    setTimeout(() => setText(node, label), 2000);
  } catch {
    const next = node.nextElementSibling;
    const existing = next?.matches("input") ? next : null;
    const field =
      existing || make("input", { className: "st-copy", readOnly: true, "aria-label": words.copy_by_hand });
    field.value = text;
    node.after(field);
    field.focus();
    field.select();
  }
}

/** Save a link's file under the name in the link. If the browser followed the link, the server's name would be used. */
async function saveLink(event) {
  const link = event.currentTarget;
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  if (!answer?.ok) return setText(status.alarm, words.gone);
  const file = URL.createObjectURL(await answer.blob());
  make("a", { href: file, download: link.download }).click();
  setTimeout(() => URL.revokeObjectURL(file), 60000);
}

// The status line. It is updated at every change, but screen readers announce it only when `spoken` changes. The
// announced text is in an element of its own; while that element is empty, screen readers read the visible line.

/** Make the status line. Return {node, announced, alarm, update}; announced, alarm: what screen readers announce. */
function makeStatus() {
  const line = make("span", { className: "st-line", "aria-hidden": "true" });
  const announced = make("span", { className: "st-unseen", role: "status" });
  const alarm = make("span", { className: "st-alarm", role: "alert" });
  const actions = make("span", { className: "st-row" });
  const node = make("div", { className: "st-status" }, line, announced, alarm, actions);
  const update = ({ text = "", fault = false, spoken, actions: wanted }) => {
    setText(line, fault ? "" : text);
    setText(alarm, fault ? text : "");
    if (storeIfChanged("spoken", spoken) || fault) setText(announced, fault ? "" : text);
    else if (announced.textContent !== text) setText(announced, "");
    line.setAttribute("aria-hidden", String(Boolean(announced.textContent)));
    node.classList.toggle("st-fault", fault);
    renderActions("status", actions, wanted);
  };
  return { node, announced, alarm, update };
}

// The strip: one card for each stage.

/** Return a card's key. A finished stage always has the same key, another stage while its number and size stay. */
function cardKey({ picture, number, of, size }) {
  return picture ? `made ${picture.key}` : `stage ${number} of ${of}, ${size}`;
}

/** Make the card of a stage; return {node, update}. */
function makeCard(card) {
  return card.picture ? makeFinishedCard(card) : makePlannedCard(card);
}

/** Make the card of a finished stage: its picture, which a click shows in the viewer, and its buttons. */
function makeFinishedCard({ picture, price }) {
  const [height, width] = picture.size;
  const textValues = { number: picture.number, of: picture.of, width, height, price };
  const thumb = make("img", { src: picture.thumb.url, alt: "", className: "st-thumb", draggable: false });
  const showButton = make(
    "button",
    {
      type: "button",
      className: "st-look",
      "aria-label": fill(words.stage_name, textValues),
      onclick: () => showChosen(pictures.get(picture.key)),
    },
    thumb,
  );
  showButton.style.aspectRatio = cardAspect(picture.size);
  const download = make("a", {
    className: "st-small",
    href: picture.file.url,
    download: picture.name,
    onclick: saveLink,
    textContent: words.download,
    "aria-label": fill(words.download_stage, textValues),
  });
  const tools = make("span", { className: "st-row" }, download);
  const nextSize = make("span", { className: "st-again" });
  const stop = makeStopButton(textValues);
  const nextRun = make("span", { className: "st-row" }, nextSize, stop);
  const node = make("li", { className: "st-card" }, showButton, makeFacts(picture.size, price), tools, nextRun);
  const grow = makeButton(words.grow, () => sendAction({ do: "grow", run: picture.run, stage: picture.number }), {
    className: "st-small",
    "aria-label": fill(words.grow_stage, textValues),
  });
  const update = (card) => {
    if (card.grow && !grow.isConnected) tools.append(grow);
    if (!card.grow) grow.remove();
    setText(nextSize, card.again ? fill(words.again, { what: card.again }) : "");
    stop.hidden = !card.stop;
    setPressed(stop, card.stopping);
    nextRun.hidden = !card.again;
    setPressed(showButton, viewer.picture?.key === picture.key);
  };
  return { node, update, showButton, key: picture.key };
}

/** Make the toggle button that lets the run, or the next run, pause after a stage. */
function makeStopButton(textValues) {
  return makeButton(words.stop_here, () => sendAction({ do: "stop_here", stage: textValues.number, run: shownRun }), {
    className: "st-small",
    "aria-label": fill(words.stop_at, textValues),
  });
}

/** Return the aspect ratio of a card's picture: width over height of the stage, limited to the range 0.75 to 2. */
function cardAspect([height, width]) {
  return clamp(width / height, 0.75, 2);
}

/** Make the line with a stage's size and time. */
function makeFacts(size, price) {
  const texts = [formatSize(size), price || ""].map((textContent) => make("span", { textContent }));
  return make("span", { className: "st-facts" }, ...texts);
}

/** Make the card of a stage that is planned or in progress. */
function makePlannedCard({ number, of, size, price }) {
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
  const outline = make("span", { className: "st-outline" });
  const pictureArea = make("span", { className: "st-well" }, outline, step, timeLeft, progress);
  pictureArea.style.aspectRatio = cardAspect(size);
  const stop = makeStopButton(textValues);
  const watch = makeButton(words.watch, () => followRun(), { className: "st-small" });
  const name = make("span", { className: "st-unseen", textContent: fill(words.planned, textValues) });
  const tools = make("span", { className: "st-row" }, stop, watch);
  const node = make("li", { className: "st-card" }, name, pictureArea, makeFacts(size, price), tools);
  const cost = node.querySelector(".st-facts").lastChild;
  const update = (card, working) => {
    const now = card.state === "working" ? working || {} : null;
    node.classList.toggle("st-working", Boolean(now));
    progress.hidden = !now;
    setText(step, now ? now.text || "" : "");
    setText(timeLeft, now ? now.left || "" : "");
    setText(cost, card.price || "");
    outline.style.width = outline.style.height = `${(90 * width) / Math.max(width, viewer.largestWidth)}%`;
    stop.hidden = !card.stop;
    setPressed(stop, card.stopping);
    watch.hidden = !now || viewer.followsRun;
    if (!now) return;
    const percent = Math.round(100 * (now.share || 0));
    progress.setAttribute("aria-valuenow", percent);
    bar.style.width = `${percent}%`;
  };
  return { node, update };
}

// Notes and earlier runs.

/** Make a note with its text and buttons. */
function makeNote({ kind, text, actions }) {
  const row = make("span", { className: "st-row" }, ...(actions || []).map(makeAction));
  return make("p", { className: `st-note st-note-${kind}` }, make("span", { textContent: text }), row);
}

/** Make the card of an earlier run, which a click shows. The card of the shown run has buttons. */
function makeEarlierRun({ run: name, thumb, title }) {
  const picture = make("img", { src: thumb.url, alt: "", className: "st-thumb", draggable: false });
  const label = make("span", { className: "st-title", textContent: title });
  const opens = { type: "button", className: "st-look", onclick: () => showRun(name) };
  const showButton = make("button", opens, picture, label);
  const use = makeButton(words.use, () => sendAction({ do: "use", run: name }), { className: "st-small" });
  const forget = makeButton(words.forget, () => sendAction({ do: "forget", run: name }), { className: "st-small" });
  const tools = make("span", { className: "st-row" }, use, forget);
  const update = (item) => {
    setText(label, item.title);
    if (picture.getAttribute("src") !== item.thumb.url) picture.src = item.thumb.url;
    setPressed(showButton, item.current);
    tools.hidden = !item.current;
  };
  return { node: make("li", { className: "st-card st-earlier-run" }, showButton, tools), update };
}
