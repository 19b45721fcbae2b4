// Comparison of two finished pictures: with a divider or side by side, and with their different settings as text.

class Compare {
  /**
   * pictures: finished pictures by key. nameOf: returns a picture's name in the lists. onChange: is called after every
   * change of the comparison.
   */
  constructor(viewer, words, pictures, nameOf, onChange) {
    Object.assign(this, { viewer, words, pictures, nameOf, onChange });
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
      this.a.label,
      this.b.label,
      make("div", { className: "st-row", role: "group", "aria-label": words.compare_how }, ...this.layoutButtons),
      this.sentence,
    );
    this.tags = ["st-tag st-tag-a", "st-tag st-tag-b"].map((className) =>
      make("span", { className, hidden: true }),
    );
    this.divider = this.makeDivider();
    viewer.frame.append(this.divider, ...this.tags);
  }

  /** Return whether a comparison is shown. */
  get isOpen() {
    return !this.panel.hidden;
  }

  /** Make a list to choose a picture from. Return {field: the list, label: the list with its name}. */
  makeSelect(name) {
    const field = make("select", { className: "st-select", onchange: () => this.apply() });
    return {
      field,
      label: make("label", { className: "st-field" }, make("span", { textContent: name }), field),
    };
  }

  /** Make the button that shows the pictures side by side, or with a divider. */
  makeLayoutButton(sideBySide) {
    const onclick = () => {
      this.sideBySide = sideBySide;
      this.apply();
    };
    const textContent = sideBySide ? this.words.side_by_side : this.words.divider;
    return make("button", { type: "button", className: "st-button", textContent, onclick });
  }

  /** Make the divider, which arrow keys and the pointer move. */
  makeDivider() {
    const steps = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, Home: -1, End: 1 };
    const node = make("div", {
      className: "st-divider",
      role: "slider",
      tabIndex: 0,
      hidden: true,
      "aria-label": this.words.divider,
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
      const { left, width } = this.viewer.canvas.getBoundingClientRect();
      this.moveDivider((event.clientX - left) / width - this.dividerPosition);
    });
    return node;
  }

  /** Add new pictures to both lists. */
  addPictures(pictures) {
    for (const { field } of [this.a, this.b]) {
      for (const picture of pictures) field.append(new Option(this.nameOf(picture), picture.key));
    }
  }

  /** Remove the pictures with these keys from both lists; close the comparison if it shows such a picture. */
  removePictures(keys) {
    const chosen = [this.a, this.b].some(({ field }) => keys.has(field.value));
    for (const { field } of [this.a, this.b]) {
      for (const option of [...field.options].filter(({ value }) => keys.has(value))) option.remove();
    }
    if (this.isOpen && chosen) this.toggle();
  }

  /** Close the comparison if it is open, else open it with two pictures. */
  toggle(first, second) {
    this.panel.hidden = this.isOpen || !first || !second;
    if (this.isOpen) {
      this.a.field.value = first.key;
      this.b.field.value = second.key;
    }
    this.apply();
  }

  /** Show a picture on the right side. */
  showRight(picture) {
    this.b.field.value = picture.key;
    this.apply();
  }

  /** Move the divider to the right by a fraction of the width; to the left if the fraction is negative. */
  moveDivider(by) {
    if (!this.isOpen || this.sideBySide) return;
    this.dividerPosition = clamp(this.dividerPosition + by, 0, 1);
    this.apply();
  }

  /** Update viewer, divider, buttons and texts from the chosen pictures and layout. */
  apply() {
    const [a, b] = [this.a, this.b].map(({ field }) => this.pictures.get(field.value));
    const pair = this.isOpen && a && b ? { a, b, sideBySide: this.sideBySide, divider: this.dividerPosition } : null;
    this.viewer.compare(pair);
    this.divider.hidden = !pair || this.sideBySide;
    for (const tag of this.tags) tag.hidden = !pair;
    this.layoutButtons.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(Boolean(index) === this.sideBySide)),
    );
    if (pair) this.updateTexts(a, b);
    this.onChange();
  }

  /** Update the divider, the tags on both pictures and the sentence on the pictures' settings. */
  updateTexts(a, b) {
    const percent = Math.round(this.dividerPosition * 100);
    this.divider.style.left = `${this.dividerPosition * 100}%`;
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute(
      "aria-valuetext",
      fill(this.words.divider_at, { a: percent, b: 100 - percent }),
    );
    setText(this.tags[0], fill(this.words.tag_a, { width: a.size[1] }));
    setText(this.tags[1], fill(this.words.tag_b, { width: b.size[1] }));
    this.tags[1].classList.toggle("st-tag-beside", this.sideBySide);
    setText(this.sentence, describeDifference(a, b, this.words));
  }
}

/** Return a sentence on the settings in which two pictures differ. */
function describeDifference(a, b, words) {
  const [first, second] = [a, b].map(
    ({ settings }) => new Map((settings || []).map(([id, ...rest]) => [id, rest])),
  );
  const ids = [...new Set([...first.keys(), ...second.keys()])];
  const differing = ids.flatMap((id) => {
    const [label] = first.get(id) || second.get(id);
    const [inA, inB] = [first, second].map((settings) =>
      settings.has(id) ? settings.get(id)[1] : words.nothing,
    );
    return inA === inB ? [] : [fill(words.differ_item, { label, a: inA, b: inB })];
  });
  if (differing.length) return fill(words.differ, { what: differing.join(", ") });
  return a.size.join() === b.size.join() ? words.same : words.same_but_size;
}
