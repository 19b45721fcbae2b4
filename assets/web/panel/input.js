// @ts-check
// Input to the viewer by mouse, touch and keys. The wheel, and one finger, scroll the page until the viewer is focused.

import { clamp } from "./numbers.js";

/** @import { Point, Viewer } from "./viewer.js" */

// A tap moves by at most `pixels` CSS pixels and lasts at most `time` ms. Two taps within `double` ms are a double tap.
const TAP = { pixels: 10, time: 400, double: 350 };
// An arrow key moves the picture by this fraction of the canvas.
const KEY_MOVE = 0.1;
// The plus key zooms in by this factor, the minus key zooms out by it.
const KEY_ZOOM = 1.25;

/**
 * Return the position of an event on the viewer's canvas.
 *
 * @param {Viewer} viewer
 * @param {{ clientX: number, clientY: number }} event
 * @returns {Point}
 */
function positionOnCanvas({ canvas }, { clientX, clientY }) {
  const box = canvas.getBoundingClientRect();
  const ratio = canvas.width / box.width;
  return { x: (clientX - box.left) * ratio, y: (clientY - box.top) * ratio };
}

/**
 * Handle the mouse: a drag moves the picture, the wheel zooms, a double click switches between 1:1 and Fit.
 *
 * @param {Viewer} viewer
 */
export function handleMouse(viewer) {
  const { canvas, frame } = viewer;
  /** @type {Point | null} */
  let last = null;
  canvas.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "touch" || event.button !== 0) return;
    last = positionOnCanvas(viewer, event);
    canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!last) return;
    const now = positionOnCanvas(viewer, event);
    viewer.pan(now.x - last.x, now.y - last.y);
    last = now;
  });
  canvas.addEventListener("lostpointercapture", () => {
    last = null;
  });
  canvas.addEventListener("dblclick", (event) => viewer.toggleOneToOne(positionOnCanvas(viewer, event)));
  /** @param {WheelEvent} event */
  const onWheel = (event) => {
    if (!event.ctrlKey && !frame.contains(document.activeElement)) return;
    event.preventDefault();
    const pixels = clamp(event.deltaY * (event.deltaMode ? 30 : 1), -120, 120);
    // A pinch on a touchpad arrives as a wheel event with Ctrl and a small delta.
    const rate = event.ctrlKey && Math.abs(pixels) < 30 ? 0.01 : 0.002;
    viewer.zoomBy(Math.exp(-pixels * rate), positionOnCanvas(viewer, event));
  };
  canvas.addEventListener("wheel", onWheel, { passive: false });
}

/**
 * Handle touches. Two fingers move and zoom the picture. One finger scrolls the page until a tap or two fingers engage the viewer;
 * from then on one finger moves the picture, and a double tap switches between 1:1 and Fit. A tap outside disengages
 * the viewer.
 *
 * @param {Viewer} viewer
 * @param {(isEngaged: boolean) => void} onEngage  is called when the viewer is engaged or disengaged
 */
export function handleTouch(viewer, onEngage) {
  const { canvas, frame } = viewer;
  /** @type {Point[]} */
  let fingers = [];
  /** @type {{ at: Point, time: number } | null} */
  let tap = null;
  let lastTapTime = -Infinity;
  let isEngaged = false;
  /** @param {boolean} on */
  const setEngaged = (on) => {
    isEngaged = on;
    frame.classList.toggle("st-engaged", on);
    onEngage(on);
  };
  /** @param {TouchEvent} event */
  const readFingers = (event) => [...event.targetTouches].map((touch) => positionOnCanvas(viewer, touch));
  /**
   * Keep the page from scrolling if an event is meant for the viewer. Return whether it is.
   *
   * @param {TouchEvent} event
   */
  const claim = (event) => {
    const isOurs = isEngaged || event.targetTouches.length > 1;
    if (isOurs && event.cancelable) event.preventDefault();
    return isOurs;
  };
  /** @param {Point[]} points */
  const centre = (points) => ({
    x: points.reduce((sum, { x }) => sum + x, 0) / points.length,
    y: points.reduce((sum, { y }) => sum + y, 0) / points.length,
  });
  /** @param {Point[]} points */
  const distance = ([one, other]) => Math.hypot(one.x - other.x, one.y - other.y);
  /** @type {(one: Point, other: Point) => boolean} */
  const isFar = (one, other) => distance([one, other]) > TAP.pixels * devicePixelRatio;

  /** @param {TouchEvent} event */
  const onStart = (event) => {
    claim(event);
    fingers = readFingers(event);
    tap = fingers.length === 1 ? { at: fingers[0], time: event.timeStamp } : null;
  };
  /** @param {TouchEvent} event */
  const onMove = (event) => {
    const now = readFingers(event);
    if (tap && isFar(tap.at, now[0])) tap = null;
    if (!claim(event) || now.length !== fingers.length) return;
    const [from, to] = [centre(fingers), centre(now)];
    viewer.pan(to.x - from.x, to.y - from.y);
    if (now.length > 1) viewer.zoomBy(distance(now) / distance(fingers), to);
    if (now.length > 1 && !isEngaged) setEngaged(true);
    fingers = now;
  };
  /** @param {TouchEvent} event */
  const onEnd = (event) => {
    fingers = readFingers(event);
    if (!tap || fingers.length || event.timeStamp - tap.time > TAP.time) return;
    if (isEngaged && event.timeStamp - lastTapTime < TAP.double) viewer.toggleOneToOne(tap.at);
    lastTapTime = event.timeStamp;
    setEngaged(true);
    frame.focus({ preventScroll: true });
  };
  canvas.addEventListener("touchstart", onStart, { passive: false });
  canvas.addEventListener("touchmove", onMove, { passive: false });
  canvas.addEventListener("touchend", onEnd);
  canvas.addEventListener("touchcancel", () => {
    fingers = [];
    tap = null;
  });
  /** @param {PointerEvent} event */
  const onPressElsewhere = ({ target }) => {
    if (!frame.isConnected) document.removeEventListener("pointerdown", onPressElsewhere);
    else if (isEngaged && !(target instanceof Node && frame.contains(target))) setEngaged(false);
  };
  document.addEventListener("pointerdown", onPressElsewhere);
}

/**
 * What keys do beside moving and zooming the picture.
 *
 * @typedef {object} Commands
 * @property {(on: boolean) => void} showSmaller  shows the smaller picture while the key is pressed
 * @property {() => void} compare  opens or closes the comparison
 * @property {(by: number) => void} moveDivider  moves the divider by a fraction of the width
 * @property {() => void} help  shows or hides the list of keys
 */

/**
 * Handle keys, which act only while the viewer's frame has the focus.
 *
 * @param {Viewer} viewer
 * @param {Commands} commands
 */
export function handleKeys(viewer, commands) {
  const { frame, canvas } = viewer;
  /** @type {(across: number, down: number) => void} */
  const move = (across, down) => viewer.pan(-across * KEY_MOVE * canvas.width, -down * KEY_MOVE * canvas.height);
  /** @type {Record<string, () => void>} */
  const keys = {
    ArrowLeft: () => move(-1, 0),
    ArrowRight: () => move(1, 0),
    ArrowUp: () => move(0, -1),
    ArrowDown: () => move(0, 1),
    "+": () => viewer.zoomBy(KEY_ZOOM),
    "=": () => viewer.zoomBy(KEY_ZOOM),
    "-": () => viewer.zoomBy(1 / KEY_ZOOM),
    0: () => viewer.fit(),
    1: () => viewer.oneToOne(),
    " ": () => commands.showSmaller(true),
    c: () => commands.compare(),
    "[": () => commands.moveDivider(-0.05),
    "]": () => commands.moveDivider(0.05),
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
  frame.addEventListener("keyup", (event) => event.key === " " && commands.showSmaller(false));
  frame.addEventListener("blur", () => commands.showSmaller(false));
}
