// @ts-check
// The switch for a notification at the end of a run, shown while a run is active.

import { make, setPressed, setText } from "./dom.js";
import { makeIconButton } from "./icons.js";

/** @import { Context } from "./context.js" */
/** @import { Value } from "./value.js" */

const STORAGE_KEY = "demofusion-studio-notify";

/**
 * Make the switch. Whether it is on is kept by the browser, which asks for its permission once.
 *
 * @param {Context} context
 */
export function makeNotifySwitch({ words }) {
  const title = document.title;
  let isOn = wasOn();
  let wasActive = false;
  /** @param {boolean} on */
  const setOn = (on) => {
    isOn = on;
    setPressed(button, on);
    try {
      localStorage.setItem(STORAGE_KEY, on ? "on" : "");
    } catch {
      // The choice lasts until the page is left.
    }
  };
  const toggle = async () => {
    if (isOn) return setOn(false);
    const answer = await Notification.requestPermission().catch(() => "denied");
    setOn(answer === "granted");
    setText(refusal, isOn ? "" : words.notify_refused);
  };
  const button = makeIconButton("bell", words.notify, toggle, { className: "st-icon" });
  const refusal = make("span", { role: "alert" });
  const node = make("span", { className: "st-notify", hidden: true }, refusal, button);
  setPressed(button, isOn);
  /** @param {Value} value */
  const update = ({ active, status: { text } }) => {
    node.hidden = !active || !("Notification" in window);
    if (!active) setText(refusal, "");
    if (wasActive && !active && isOn && !document.hasFocus()) notify(title, text);
    wasActive = active;
  };
  return { node, update };
}

/** Return whether the switch was on when this browser last had the page, and its permission still holds. */
function wasOn() {
  try {
    return localStorage.getItem(STORAGE_KEY) === "on" && Notification.permission === "granted";
  } catch {
    return false;
  }
}

/**
 * Show a notification. A click on it brings the page to the front.
 *
 * @param {string} title
 * @param {string} body
 */
function notify(title, body) {
  try {
    const shown = new Notification(title, { body, tag: title });
    shown.onclick = () => {
      window.focus();
      shown.close();
    };
  } catch {
    // Browsers of phones allow notifications only to installed apps.
  }
}
