// The toolbar below the viewer: its buttons, and the list of keys that one of them shows.

/** Make the buttons of the toolbar; return them by name. */
function makeTools() {
  const buttons = {
    fit: makeButton(words.fit, () => viewer.fit()),
    one: makeButton(words.one_to_one, () => viewer.oneToOne()),
    hold: makeButton(words.hold, () => {}),
    compare: makeButton(words.compare, toggleCompare),
    windows: makeButton(words.windows, toggleWindows),
    full: makeButton(words.full_screen, toggleFullScreen, { hidden: !document.fullscreenEnabled }),
    help: makeButton("?", toggleKeys, { "aria-label": words.keys, "aria-expanded": "false" }),
  };
  for (const node of [buttons.hold, buttons.compare, buttons.windows]) setPressed(node, false);
  buttons.hold.classList.add("st-hold");
  holdWhilePressed(buttons.hold);
  return buttons;
}

/** Show the smaller picture while a button is pressed by mouse, finger or key. */
function holdWhilePressed(node) {
  const isPressKey = (event) => event.key === " " || event.key === "Enter";
  node.addEventListener("pointerdown", () => showSmaller(true));
  for (const name of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
    node.addEventListener(name, () => showSmaller(false));
  }
  node.addEventListener("keydown", (event) => isPressKey(event) && showSmaller(true));
  node.addEventListener("keyup", (event) => isPressKey(event) && showSmaller(false));
  node.addEventListener("contextmenu", (event) => event.preventDefault());
}

/** Make the list of the viewer's keys, hidden at first. */
function makeKeysList() {
  const keys = [
    ["← ↑ → ↓", words.key_move],
    ["+ −", words.key_zoom],
    ["0", words.key_fit],
    ["1", words.key_one],
    [words.space, words.key_hold],
    ["C", words.key_compare],
    ["[ ]", words.key_divider],
    ["?", words.key_help],
  ];
  const lines = keys.flatMap(([key, meaning]) => [
    make("dt", {}, make("kbd", { textContent: key })),
    make("dd", { textContent: meaning }),
  ]);
  return make("dl", { className: "st-keys", hidden: true }, ...lines);
}

function toggleKeys() {
  keysList.hidden = !keysList.hidden;
  tools.help.setAttribute("aria-expanded", String(!keysList.hidden));
  if (!keysList.hidden) keysList.scrollIntoView({ block: "nearest" });
}

function toggleWindows() {
  viewer.showWindows = !viewer.showWindows;
  setPressed(tools.windows, viewer.showWindows);
  viewer.requestDraw();
}

async function toggleFullScreen() {
  try {
    await (document.fullscreenElement ? document.exitFullscreen() : viewerPart.requestFullscreen());
  } catch {
    tools.full.hidden = true;
  }
}
