// @ts-check
// Comparison of two finished pictures: with a divider or side by side, and with their different settings as text.

import { make, setText } from "./dom.js";
import { clamp } from "./numbers.js";
import { fill, formatSize } from "./text.js";

/** @import { Context } from "./context.js" */
/** @import { Picture } from "./value.js" */

// The name of a picture holds at most this many settings, each of at most so many characters.
const [MAX_DIFFERENCES, MAX_TEXT] = [4, 28];

/** The comparison: its lists of pictures, its divider and its texts. */
export class Compare {
  /** @param {Context} context */
  constructor(context) {
    const { words, viewer } = context;
    this.context = context;
    this.sideBySide = false;
    // The divider's distance from the left edge, as a fraction of the width.
    this.dividerPosition = 0.5;
    this.a = this.makeSelect(words.picture_a);
    this.b = this.makeSelect(words.picture_b);
    this.layoutButtons = [false, true].map((sideBySide) => this.makeLayoutButton(sideBySide));
    this.sentence = make("p", { className: "st-differ" });
    this.panel = make(
      "div",
      { className: "st-compare", role: "group", "aria-label": words.compare, hidden: true },
      make("div", { className: "st-row", role: "group", "aria-label": words.compare_how }, ...this.layoutButtons),
      this.sentence,
    );
    this.tags = ["st-tag st-tag-a", "st-tag st-tag-b"].map((className) =>
      make("span", { className, hidden: true }),
    );
    this.divider = this.makeDivider();
    this.lists = make("div", { className: "st-sides", hidden: true }, this.a.label, this.b.label);
    // The viewer's keys and gestures are not meant for the lists on it.
    for (const name of ["keydown", "pointerdown", "touchstart", "wheel", "dblclick"]) {
      this.lists.addEventListener(name, (event) => event.stopPropagation());
    }
    viewer.frame.append(this.divider, ...this.tags, this.lists);
  }

  /** Return whether a comparison is shown. */
  get isOpen() {
    return !this.panel.hidden;
  }

  /**
   * Make a list to choose a picture from. Return {field: the list, label: the list with its name}.
   *
   * @param {string} name
   */
  makeSelect(name) {
    const field = make("select", { className: "st-select", onchange: () => this.apply() });
    return {
      field,
      label: make("label", { className: "st-field" }, make("span", { textContent: name }), field),
    };
  }

  /**
   * Make the button that shows the pictures side by side, or with a divider.
   *
   * @param {boolean} sideBySide
   */
  makeLayoutButton(sideBySide) {
    const onclick = () => {
      this.sideBySide = sideBySide;
      this.apply();
    };
    const { words } = this.context;
    const textContent = sideBySide ? words.side_by_side : words.divider;
    return make("button", { type: "button", className: "st-button", textContent, onclick });
  }

  /** Make the divider, which arrow keys and the pointer move. */
  makeDivider() {
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 };
    const node = make("div", {
      className: "st-divider",
      role: "slider",
      tabIndex: 0,
      hidden: true,
      "aria-label": this.context.words.divider,
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    });
    node.addEventListener("keydown", (event) => {
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.moveDivider(steps[event.key]);
    });
    node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
    node.addEventListener("pointermove", (event) => {
      if (!node.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.context.viewer.canvas.getBoundingClientRect();
      this.moveDivider((event.clientX - left) / width - this.dividerPosition);
    });
    return node;
  }

  /**
   * Add new pictures to both lists.
   *
   * @param {Picture[]} pictures
   */
  addPictures(pictures) {
    if (pictures.length) this.fillLists();
  }

  /**
   * Fill both lists with the pictures, named by the settings in which they differ and by size. A stage that several runs
   * share is listed once.
   */
  fillLists() {
    const { pictures, words } = this.context;
    const stages = new Map([...pictures.values()].reverse().map((picture) => [stageOf(picture.key), picture]));
    const names = namesByDifference([...stages.values()].reverse(), words);
    for (const { field } of [this.a, this.b]) {
      const options = new Map([...field.options].map((option) => [option.value, option]));
      for (const [key, option] of options) if (!names.has(key)) option.remove();
      for (const [key, name] of names) {
        const option = options.get(key) ?? new Option("", key);
        setText(option, name);
        if (!option.isConnected) field.append(option);
      }
    }
  }

  /**
   * Choose a picture in a list.
   *
   * @param {HTMLSelectElement} field
   * @param {Picture} picture
   */
  choose(field, picture) {
    const option = [...field.options].find(({ value }) => stageOf(value) === stageOf(picture.key));
    if (option) field.value = option.value;
  }

  /**
   * Remove the pictures with these keys from both lists; close the comparison if it shows such a picture.
   *
   * @param {Set<string>} keys
   */
  removePictures(keys) {
    const chosen = [this.a, this.b].some(({ field }) => keys.has(field.value));
    this.fillLists();
    if (this.isOpen && chosen) this.toggle();
  }

  /**
   * Close the comparison if it is open, else open it with two pictures.
   *
   * @param {Picture | null} [first]
   * @param {Picture | null} [second]
   */
  toggle(first, second) {
    if (!this.isOpen && first && second) return this.open(first, second);
    this.panel.hidden = true;
    this.apply();
  }

  /**
   * Compare two pictures.
   *
   * @param {Picture} a
   * @param {Picture} b
   */
  open(a, b) {
    this.panel.hidden = false;
    this.choose(this.a.field, a);
    this.choose(this.b.field, b);
    this.apply();
  }

  /**
   * Show a picture on the right side.
   *
   * @param {Picture} picture
   */
  showRight(picture) {
    this.choose(this.b.field, picture);
    this.apply();
  }

  /**
   * Move the divider to the right by a fraction of the width; to the left if the fraction is negative.
   *
   * @param {number} by
   */
  moveDivider(by) {
    if (!this.isOpen || this.sideBySide) return;
    this.dividerPosition = clamp(this.dividerPosition + by, 0, 1);
    this.apply();
  }

  /** Update viewer, divider, buttons and texts from the chosen pictures and layout. */
  apply() {
    const { viewer, pictures, toolbar } = this.context;
    const [a, b] = [this.a, this.b].map(({ field }) => pictures.get(field.value));
    const pair = this.isOpen && a && b ? { a, b, sideBySide: this.sideBySide, divider: this.dividerPosition } : null;
    viewer.compare(pair);
    this.divider.hidden = !pair || this.sideBySide;
    for (const node of [this.lists, ...this.tags]) node.hidden = !pair;
    this.layoutButtons.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(Boolean(index) === this.sideBySide)),
    );
    if (pair) this.updateTexts(pair.a, pair.b);
    toolbar.refresh();
  }

  /**
   * Update the divider, the tags on both pictures and the sentence on the pictures' settings.
   *
   * @param {Picture} a
   * @param {Picture} b
   */
  updateTexts(a, b) {
    const { words } = this.context;
    const percent = Math.round(this.dividerPosition * 100);
    this.divider.style.left = `${this.dividerPosition * 100}%`;
    this.divider.setAttribute("aria-valuenow", String(percent));
    this.divider.setAttribute("aria-valuetext", fill(words.divider_at, { a: percent, b: 100 - percent }));
    setText(this.tags[0], fill(words.tag_a, { width: a.size[1] }));
    setText(this.tags[1], fill(words.tag_b, { width: b.size[1] }));
    this.tags[1].classList.toggle("st-tag-beside", this.sideBySide);
    setText(this.sentence, describeDifference(a, b, words));
  }
}

/**
 * Return a text, shortened to MAX_TEXT characters.
 *
 * @param {string} text
 */
function shorten(text) {
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT - 1)}…` : text;
}

/**
 * Return the part of a picture's key that identifies its stage; equal stages of several runs have the same.
 *
 * @param {string} key
 */
function stageOf(key) {
  return key.slice(key.indexOf("/") + 1);
}

/**
 * Return the names of pictures by their keys: the settings that are not equal in all of them, and the size.
 *
 * @param {Picture[]} pictures
 * @param {Record<string, string>} words
 * @returns {Map<string, string>}
 */
function namesByDifference(pictures, words) {
  /** @type {Map<string, Set<string>>} */
  const values = new Map();
  for (const { settings } of pictures) {
    for (const [id, , text] of settings) values.set(id, (values.get(id) ?? new Set()).add(text));
  }
  return new Map(
    pictures.map(({ key, title, size, number, of, settings }) => {
      if (title) return [key, `${title}, ${formatSize(words, size)}`];
      const differing = settings.filter(([id]) => (values.get(id)?.size ?? 0) > 1);
      const texts = differing.map(([id, label, text]) => (["prompt", "method"].includes(id) ? text : `${label} ${text}`));
      const first = fill(words.picture_name, { number, of, size: formatSize(words, size) });
      const shortened = texts.slice(0, MAX_DIFFERENCES).map((text) => shorten(text));
      return [key, [first, ...shortened].join(" · ")];
    }),
  );
}

/**
 * Return a sentence on the settings in which two pictures differ.
 *
 * @param {Picture} a
 * @param {Picture} b
 * @param {Record<string, string>} words
 */
function describeDifference(a, b, words) {
  if (a.title || b.title) return fill(words.against_start, { side: a.title ? "A" : "B" });
  const [inA, inB] = [a, b].map(({ settings }) => new Map(settings.map(([id, , text]) => [id, text])));
  const labels = new Map([...b.settings, ...a.settings].map(([id, label]) => [id, label]));
  const differing = [...new Set([...inA.keys(), ...inB.keys()])].flatMap((id) => {
    const [textA, textB] = [inA, inB].map((texts) => texts.get(id) ?? words.nothing);
    return textA === textB ? [] : [fill(words.differ_item, { label: labels.get(id) ?? id, a: textA, b: textB })];
  });
  if (differing.length) return fill(words.differ, { what: differing.join(", ") });
  return a.size.join() === b.size.join() ? words.same : words.same_but_size;
}
