// The parts around the viewer: actions, the status line, the cards of the strip, notes, earlier runs.
// Text reaches the page as textContent only; a finished card is made once and never drawn again.

const pixels = ([height, width]) => fill(words.size, { width, height });

function button(text, onclick, more = {}) {
  return make("button", { type: "button", className: "st-button", textContent: text, onclick, ...more });
}

const press = (node, on) => node.setAttribute("aria-pressed", String(Boolean(on)));

/** Keeps one node for each key, in order: what stays is neither made nor moved again. */
class Row {
  constructor(node, keyOf, makeItem) {
    Object.assign(this, { node, keyOf, makeItem, kept: new Map() });
  }

  update(items, ...more) {
    const keys = new Set(items.map(this.keyOf));
    for (const [key, { node }] of this.kept) {
      if (!keys.has(key)) node.remove();
    }
    const before = this.kept;
    this.kept = new Map();
    items.forEach((item, index) => {
      const key = this.keyOf(item);
      const entry = before.get(key) || this.makeItem(item);
      this.kept.set(key, entry);
      entry.update(item, ...more);
      const there = this.node.children[index] || null;
      if (there !== entry.node) this.node.insertBefore(entry.node, there);
    });
    this.node.hidden = !items.length;
  }
}

// Actions: buttons and links that the server asks for.

function actionNode(action) {
  const { label, ...data } = action;
  if (data.href) {
    const link = { className: "st-button", href: data.href.url || data.href, textContent: label };
    return make("a", { ...link, download: data.download ?? "", onclick: save });
  }
  const node = button(label, () => {
    if (data.do === "copy") copy(data.text, node, label);
    else if (data.place) act({ ...data, place: viewer.rectangle(), key: viewer.shown?.key ?? "" });
    else act(data);
  });
  return node;
}

function renderActions(name, node, actions) {
  if (!fresh(name, actions)) return;
  const at = [...node.children].indexOf(document.activeElement);
  node.replaceChildren(...(actions || []).map(actionNode));
  node.hidden = !(actions || []).length;
  if (at >= 0) node.children[Math.min(at, node.children.length - 1)]?.focus();
}

/** Where the clipboard is refused, a selected field stands beside the button. */
async function copy(text, node, label) {
  try {
    await navigator.clipboard.writeText(text);
    say(status.quiet, words.copied);
    say(node, words.copied);
    setTimeout(() => say(node, label), 2000);
  } catch {
    const next = node.nextElementSibling;
    const there = next?.matches("input") ? next : null;
    const field =
      there || make("input", { className: "st-copy", readOnly: true, "aria-label": words.copy_by_hand });
    field.value = text;
    node.after(field);
    field.focus();
    field.select();
  }
}

/** The server calls every picture alike, and its word would go before the link's. */
async function save(event) {
  const link = event.currentTarget;
  event.preventDefault();
  const answer = await fetch(link.href).catch(() => null);
  if (!answer?.ok) return say(status.alarm, words.gone);
  const file = URL.createObjectURL(await answer.blob());
  make("a", { href: file, download: link.download }).click();
  setTimeout(() => URL.revokeObjectURL(file), 60000);
}

// The status line: seen at every change, heard only when `spoken` changes. Once that has passed the line is read.

function makeStatus() {
  const line = make("span", { className: "st-line", "aria-hidden": "true" });
  const quiet = make("span", { className: "st-unseen", role: "status" });
  const alarm = make("span", { className: "st-alarm", role: "alert" });
  const actions = make("span", { className: "st-row" });
  const node = make("div", { className: "st-status" }, line, quiet, alarm, actions);
  const update = ({ text = "", fault = false, spoken, actions: wanted }) => {
    say(line, fault ? "" : text);
    say(alarm, fault ? text : "");
    if (fresh("spoken", spoken) || fault) say(quiet, fault ? "" : text);
    else if (quiet.textContent !== text) say(quiet, "");
    line.setAttribute("aria-hidden", String(Boolean(quiet.textContent)));
    node.classList.toggle("st-fault", fault);
    renderActions("status", actions, wanted);
  };
  return { node, quiet, alarm, update };
}

// The strip: one card for each stage.

function cardKey({ picture, number, of, size }) {
  return picture ? `made ${picture.key}` : `stage ${number} of ${of}, ${size}`;
}

function makeCard(card) {
  return card.picture ? makeFinishedCard(card) : makeOpenCard(card);
}

function makeFinishedCard({ picture, price }) {
  const [height, width] = picture.size;
  const place = { number: picture.number, of: picture.of, width, height, price };
  const thumb = make("img", { src: picture.thumb.url, alt: "", className: "st-thumb", draggable: false });
  const look = make(
    "button",
    {
      type: "button",
      className: "st-look",
      "aria-label": fill(words.stage_name, place),
      onclick: () => showByHand(known.get(picture.key)),
    },
    thumb,
  );
  look.style.aspectRatio = shape(picture.size);
  const download = make("a", {
    className: "st-small",
    href: picture.file.url,
    download: picture.name,
    onclick: save,
    textContent: words.download,
    "aria-label": fill(words.download_stage, place),
  });
  const tools = make("span", { className: "st-row" }, download);
  const [again, stop] = [make("span", { className: "st-again" }), stopHere(place)];
  const anew = make("span", { className: "st-row" }, again, stop);
  const node = make("li", { className: "st-card" }, look, facts(picture.size, price), tools, anew);
  const grow = button(words.grow, () => act({ do: "grow", run: picture.run, stage: picture.number }), {
    className: "st-small",
    "aria-label": fill(words.grow_stage, place),
  });
  const update = (card) => {
    if (card.grow && !grow.isConnected) tools.append(grow);
    if (!card.grow) grow.remove();
    say(again, card.again ? fill(words.again, { what: card.again }) : "");
    stop.hidden = !card.stop;
    press(stop, card.stopping);
    anew.hidden = !card.again;
    press(look, viewer.shown?.key === picture.key);
  };
  return { node, update, look, key: picture.key };
}

/** The toggle that pauses the next run after this stage. */
function stopHere(place) {
  return button(words.stop_here, () => act({ do: "stop_here", stage: place.number, run }), {
    className: "st-small",
    "aria-label": fill(words.stop_at, place),
  });
}

/** A card's shape is the picture's, unless that is extreme. */
function shape([height, width]) {
  return clamp(width / height, 0.75, 2);
}

function facts(size, price) {
  const texts = [pixels(size), price || ""].map((textContent) => make("span", { textContent }));
  return make("span", { className: "st-facts" }, ...texts);
}

function makeOpenCard({ number, of, size, price }) {
  const [height, width] = size;
  const place = { number, of, width, height };
  const bar = make("span", { className: "st-bar" });
  const progress = make(
    "span",
    {
      className: "st-progress",
      role: "progressbar",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
      "aria-label": fill(words.progress_of, place),
    },
    bar,
  );
  const [step, left] = [make("span"), make("span", { className: "st-left" })];
  const outline = make("span", { className: "st-outline" });
  const well = make("span", { className: "st-well" }, outline, step, left, progress);
  well.style.aspectRatio = shape(size);
  const stop = stopHere(place);
  const watch = button(words.watch, () => follow(), { className: "st-small" });
  const name = make("span", { className: "st-unseen", textContent: fill(words.planned, place) });
  const tools = make("span", { className: "st-row" }, stop, watch);
  const node = make("li", { className: "st-card" }, name, well, facts(size, price), tools);
  const cost = node.querySelector(".st-facts").lastChild;
  const update = (card, working) => {
    const now = card.state === "working" ? working || {} : null;
    node.classList.toggle("st-working", Boolean(now));
    progress.hidden = !now;
    say(step, now ? now.text || "" : "");
    say(left, now ? now.left || "" : "");
    say(cost, card.price || "");
    outline.style.width = outline.style.height = `${(90 * width) / Math.max(width, viewer.widest)}%`;
    stop.hidden = !card.stop;
    press(stop, card.stopping);
    watch.hidden = !now || viewer.following;
    if (!now) return;
    const percent = Math.round(100 * (now.share || 0));
    progress.setAttribute("aria-valuenow", percent);
    bar.style.width = `${percent}%`;
  };
  return { node, update };
}

// Notes and earlier runs.

function noteNode({ kind, text, actions }) {
  const row = make("span", { className: "st-row" }, ...(actions || []).map(actionNode));
  return make("p", { className: `st-note st-note-${kind}` }, make("span", { textContent: text }), row);
}

function makeEarlier({ run: name, thumb, title }) {
  const picture = make("img", { src: thumb.url, alt: "", className: "st-thumb", draggable: false });
  const label = make("span", { className: "st-title", textContent: title });
  const opens = { type: "button", className: "st-look", onclick: () => lookAt(name) };
  const look = make("button", opens, picture, label);
  const use = button(words.use, () => act({ do: "use", run: name }), { className: "st-small" });
  const forget = button(words.forget, () => act({ do: "forget", run: name }), { className: "st-small" });
  const tools = make("span", { className: "st-row" }, use, forget);
  const update = (item) => {
    say(label, item.title);
    if (picture.getAttribute("src") !== item.thumb.url) picture.src = item.thumb.url;
    press(look, item.current);
    tools.hidden = !item.current;
  };
  return { node: make("li", { className: "st-card st-earlier-run" }, look, tools), update };
}
