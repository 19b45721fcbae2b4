// Comparison of two finished pictures: with a divider or side by side, and with their different settings as text.

class Compare {
  /**
   * pictures: finished pictures by key. nameOf: returns a picture's name for people. onChange: is called after every
   * change.
   */
  constructor(viewer, words, pictures, nameOf, onChange) {
    Object.assign(this, { viewer, words, pictures, nameOf, onChange });
    this.sideBySide = false;
    // Where the divider stands, as a fraction of the width.
    this.position = 0.5;
    this.a = this.makeSelect(words.picture_a);
    this.b = this.makeSelect(words.picture_b);
    this.modes = [false, true].map((sideBySide) => this.makeModeButton(sideBySide));
    this.sentence = make("p", { className: "st-differ" });
    this.panel = make(
      "div",
      { className: "st-compare", role: "group", "aria-label": words.compare, hidden: true },
      this.a.label,
      this.b.label,
      make("div", { className: "st-row", role: "group", "aria-label": words.compare_how }, ...this.modes),
      this.sentence,
    );
    this.tags = ["st-tag st-tag-a", "st-tag st-tag-b"].map((className) =>
      make("span", { className, hidden: true }),
    );
    this.divider = this.makeDivider();
    viewer.frame.append(this.divider, ...this.tags);
  }

  get open() {
    return !this.panel.hidden;
  }

  /** Make the list from which one of the two pictures is chosen. */
  makeSelect(name) {
    const field = make("select", { className: "st-select", onchange: () => this.apply() });
    return {
      field,
      label: make("label", { className: "st-field" }, make("span", { textContent: name }), field),
    };
  }

  makeModeButton(sideBySide) {
    const onclick = () => {
      this.sideBySide = sideBySide;
      this.apply();
    };
    const textContent = sideBySide ? this.words.side_by_side : this.words.divider;
    return make("button", { type: "button", className: "st-button", textContent, onclick });
  }

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
      this.moveDivider((event.clientX - left) / width - this.position);
    });
    return node;
  }

  /** Add new pictures to both lists. */
  addPictures(pictures) {
    for (const { field } of [this.a, this.b]) {
      for (const picture of pictures) field.append(new Option(this.nameOf(picture), picture.key));
    }
  }

  /** Remove pictures from both lists; if one of them is being compared, close the comparison. */
  removePictures(keys) {
    const chosen = [this.a, this.b].some(({ field }) => keys.has(field.value));
    for (const { field } of [this.a, this.b]) {
      for (const option of [...field.options].filter(({ value }) => keys.has(value))) option.remove();
    }
    if (this.open && chosen) this.toggle();
  }

  /** Open the comparison with two pictures, or close it. */
  toggle(first, second) {
    this.panel.hidden = this.open || !first || !second;
    if (this.open) {
      this.a.field.value = first.key;
      this.b.field.value = second.key;
    }
    this.apply();
  }

  /** Show a picture that was chosen elsewhere on the right side. */
  showRight(picture) {
    this.b.field.value = picture.key;
    this.apply();
  }

  /** Move the divider by a fraction of the width. */
  moveDivider(by) {
    if (!this.open || this.sideBySide) return;
    this.position = clamp(this.position + by, 0, 1);
    this.apply();
  }

  /** Show what is chosen. */
  apply() {
    const [a, b] = [this.a, this.b].map(({ field }) => this.pictures.get(field.value));
    const pair = this.open && a && b ? { a, b, sideBySide: this.sideBySide, divider: this.position } : null;
    this.viewer.compare(pair);
    this.divider.hidden = !pair || this.sideBySide;
    for (const tag of this.tags) tag.hidden = !pair;
    this.modes.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(Boolean(index) === this.sideBySide)),
    );
    if (pair) this.updateTexts(a, b);
    this.onChange();
  }

  /** Update the divider, the tags on both pictures and the sentence on their settings. */
  updateTexts(a, b) {
    const percent = Math.round(this.position * 100);
    this.divider.style.left = `${this.position * 100}%`;
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
