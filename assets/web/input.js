// The hands on the viewer: mouse, touch, keys and the row of tools. The page keeps its scrolling until the viewer
// is taken hold of.

const TAP = { pixels: 10, time: 400, twice: 350 };
const STEP = 0.1;
const CLOSER = 1.25;

/** A place of the window as device pixels of the canvas. */
function onCanvas({ canvas }, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  return { x: (clientX - box.left) * ratio, y: (clientY - box.top) * ratio };
}

function handleMouse(viewer) {
  const { canvas, frame } = viewer;
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button !== 0) return;
    last = onCanvas(viewer, event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = onCanvas(viewer, event);
    viewer.pan(now.x - last.x, now.y - last.y);
    last = now;
  });
  canvas.addEventListener("lostpointercapture", () => {
    last = null;
  });
  canvas.addEventListener("dblclick", (event) => viewer.toggleOneToOne(onCanvas(viewer, event)));
  const turned = (event) => {
    if (!event.ctrlKey && !frame.contains(document.activeElement)) return;
    event.preventDefault();
    const pixels = clamp(event.deltaY * (event.deltaMode ? 30 : 1), -120, 120);
    // A pinch on a touchpad arrives as Ctrl and small turns.
    const rate = event.ctrlKey && Math.abs(pixels) < 30 ? 0.01 : 0.002;
    viewer.zoomBy(Math.exp(-pixels * rate), onCanvas(viewer, event));
  };
  canvas.addEventListener("wheel", turned, { passive: false });
}

/** Two fingers zoom at once; one finger scrolls the page until a tap takes hold, a tap elsewhere lets go. */
function handleTouch(viewer, taken) {
  const { canvas, frame } = viewer;
  let [fingers, tap, tapped, engaged] = [[], null, -Infinity, false];
  const engage = (on) => {
    engaged = on;
    frame.classList.toggle("st-engaged", on);
    taken(on);
  };
  const read = (event) => [...event.targetTouches].map((touch) => onCanvas(viewer, touch));
  const grip = (event) => {
    const ours = engaged || event.targetTouches.length > 1;
    if (ours && event.cancelable) event.preventDefault();
    return ours;
  };
  const middle = (points) => ({
    x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
    y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
  });
  const spread = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);
  const far = (one, other) => spread([one, other]) > TAP.pixels * devicePixelRatio;

  const started = (event) => {
    grip(event);
    fingers = read(event);
    tap = fingers.length === 1 ? { at: fingers[0], time: event.timeStamp } : null;
  };
  const moved = (event) => {
    const now = read(event);
    if (tap && far(tap.at, now[0])) tap = null;
    if (!grip(event) || now.length !== fingers.length) return;
    const [from, to] = [middle(fingers), middle(now)];
    viewer.pan(to.x - from.x, to.y - from.y);
    if (now.length > 1) viewer.zoomBy(spread(now) / spread(fingers), to);
    fingers = now;
  };
  const ended = (event) => {
    fingers = read(event);
    if (!tap || fingers.length || event.timeStamp - tap.time > TAP.time) return;
    if (engaged && event.timeStamp - tapped < TAP.twice) viewer.toggleOneToOne(tap.at);
    tapped = event.timeStamp;
    engage(true);
    frame.focus({ preventScroll: true });
  };
  canvas.addEventListener("touchstart", started, { passive: false });
  canvas.addEventListener("touchmove", moved, { passive: false });
  canvas.addEventListener("touchend", ended);
  canvas.addEventListener("touchcancel", () => {
    [fingers, tap] = [[], null];
  });
  const elsewhere = ({ target }) => {
    if (!frame.isConnected) document.removeEventListener("pointerdown", elsewhere);
    else if (engaged && !frame.contains(target)) engage(false);
  };
  document.addEventListener("pointerdown", elsewhere);
}

/** Keys act only while the viewer itself has the focus. commands: hold(on), compare(), divide(by), help(). */
function handleKeys(viewer, commands) {
  const { frame, canvas } = viewer;
  const move = (across, down) => viewer.pan(-across * STEP * canvas.width, -down * STEP * canvas.height);
  const keys = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    "+": () => viewer.zoomBy(CLOSER),
    "=": () => viewer.zoomBy(CLOSER),
    "-": () => viewer.zoomBy(1 / CLOSER),
    0: () => viewer.fit(),
    1: () => viewer.oneToOne(),
    " ": () => commands.hold(true),
    c: () => commands.compare(),
    "[": () => commands.divide(-0.05),
    "]": () => commands.divide(0.05),
    "?": () => commands.help(),
  };
  frame.addEventListener("keydown", (event) => {
    // On many keyboards the brackets need AltGr, which looks like Ctrl and Alt.
    const shortcut = (event.ctrlKey || event.metaKey || event.altKey) && !event.getModifierState("AltGraph");
    const key = keys[event.key] || keys[event.key.toLowerCase()];
    if (event.target !== frame || shortcut || !key) return;
    event.preventDefault();
    key();
  });
  frame.addEventListener("keyup", (event) => event.key === " " && commands.hold(false));
  frame.addEventListener("blur", () => commands.hold(false));
}

// The tools under the viewer.

function makeTools() {
  const made = {
    fit: button(words.fit, () => viewer.fit()),
    one: button(words.one_to_one, () => viewer.oneToOne()),
    hold: button(words.hold, () => {}),
    compare: button(words.compare, toggleCompare),
    windows: button(words.windows, toggleWindows),
    full: button(words.full_screen, toggleFullScreen, { hidden: !document.fullscreenEnabled }),
    help: button("?", toggleKeys, { "aria-label": words.keys, "aria-expanded": "false" }),
  };
  for (const node of [made.hold, made.compare, made.windows]) press(node, false);
  made.hold.classList.add("st-hold");
  holdWhilePressed(made.hold);
  return made;
}

function holdWhilePressed(node) {
  const pressed = (event) => event.key === " " || event.key === "Enter";
  node.addEventListener("pointerdown", () => hold(true));
  for (const name of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
    node.addEventListener(name, () => hold(false));
  }
  node.addEventListener("keydown", (event) => pressed(event) && hold(true));
  node.addEventListener("keyup", (event) => pressed(event) && hold(false));
  node.addEventListener("contextmenu", (event) => event.preventDefault());
}

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
  viewer.windows = !viewer.windows;
  press(tools.windows, viewer.windows);
  viewer.soon();
}

async function toggleFullScreen() {
  try {
    await (document.fullscreenElement ? document.exitFullscreen() : bench.requestFullscreen());
  } catch {
    tools.full.hidden = true;
  }
}
