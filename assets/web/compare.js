// Two pictures in one place: the divider, side by side, and the difference of their settings in words.
// Below: the windows that the engine looked through, drawn over a picture.

class Compare {
  /** known: pictures by key. nameOf: what a person calls one. changed: called when it opens or closes. */
  constructor(viewer, words, known, nameOf, changed) {
    Object.assign(this, { viewer, words, known, nameOf, changed });
    this.beside = false;
    this.share = 0.5;
    this.a = this.select(words.picture_a);
    this.b = this.select(words.picture_b);
    this.modes = [false, true].map((beside) => this.modeButton(beside));
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

  select(name) {
    const field = make("select", { className: "st-select", onchange: () => this.apply() });
    return {
      field,
      label: make("label", { className: "st-field" }, make("span", { textContent: name }), field),
    };
  }

  modeButton(beside) {
    const onclick = () => {
      this.beside = beside;
      this.apply();
    };
    const textContent = beside ? this.words.side_by_side : this.words.divider;
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
      this.divide(steps[event.key]);
    });
    node.addEventListener("pointerdown", (event) => node.setPointerCapture(event.pointerId));
    node.addEventListener("pointermove", (event) => {
      if (!node.hasPointerCapture(event.pointerId)) return;
      const { left, width } = this.viewer.canvas.getBoundingClientRect();
      this.divide((event.clientX - left) / width - this.share);
    });
    return node;
  }

  /** Adds the names of pictures that were not known before. */
  offer(pictures) {
    for (const { field } of [this.a, this.b]) {
      for (const picture of pictures) field.append(new Option(this.nameOf(picture), picture.key));
    }
  }

  /** Takes pictures out of the choice; where one of the two is compared, there is nothing to compare. */
  withdraw(keys) {
    const chosen = [this.a, this.b].some(({ field }) => keys.has(field.value));
    for (const { field } of [this.a, this.b]) {
      for (const option of [...field.options].filter(({ value }) => keys.has(value))) option.remove();
    }
    if (this.open && chosen) this.toggle();
  }

  toggle(first, second) {
    this.panel.hidden = this.open || !first || !second;
    if (this.open) {
      this.a.field.value = first.key;
      this.b.field.value = second.key;
    }
    this.apply();
  }

  /** Puts a picture that was chosen elsewhere on the right side. */
  showRight(picture) {
    this.b.field.value = picture.key;
    this.apply();
  }

  divide(by) {
    if (!this.open || this.beside) return;
    this.share = clamp(this.share + by, 0, 1);
    this.apply();
  }

  apply() {
    const [a, b] = [this.a, this.b].map(({ field }) => this.known.get(field.value));
    const pair = this.open && a && b ? { a, b, beside: this.beside, divider: this.share } : null;
    this.viewer.compare(pair);
    this.divider.hidden = !pair || this.beside;
    for (const tag of this.tags) tag.hidden = !pair;
    this.modes.forEach((button, index) =>
      button.setAttribute("aria-pressed", String(Boolean(index) === this.beside)),
    );
    if (pair) this.tell(a, b);
    this.changed();
  }

  tell(a, b) {
    const percent = Math.round(this.share * 100);
    this.divider.style.left = `${this.share * 100}%`;
    this.divider.setAttribute("aria-valuenow", percent);
    this.divider.setAttribute(
      "aria-valuetext",
      fill(this.words.divider_at, { a: percent, b: 100 - percent }),
    );
    say(this.tags[0], fill(this.words.tag_a, { width: a.size[1] }));
    say(this.tags[1], fill(this.words.tag_b, { width: b.size[1] }));
    this.tags[1].classList.toggle("st-tag-beside", this.beside);
    say(this.sentence, differenceInWords(a, b, this.words));
  }
}

function differenceInWords(a, b, words) {
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

/** All windows as thin lines; the middle one stronger, with the points that one wide view would pick inside it. */
function drawWindows(pen, windows, lattice, { left, top, across, down }) {
  const boxes = windows.map(([y, x, height, width]) => [
    left + x * across,
    top + y * down,
    width * across,
    height * down,
  ]);
  const [middle] = [...boxes].sort((one, other) => fromMiddle(one) - fromMiddle(other));
  function fromMiddle([x, y, width, height]) {
    return Math.hypot(x + width / 2 - left - across / 2, y + height / 2 - top - down / 2);
  }
  const outline = (some, width, colour) => {
    pen.lineWidth = width * devicePixelRatio;
    pen.strokeStyle = colour;
    for (const box of some) pen.strokeRect(...box);
  };
  outline(boxes, 2, "rgb(0 0 0 / 0.25)");
  outline(boxes, 1, "rgb(255 255 255 / 0.55)");
  outline([middle], 4, "rgb(0 0 0 / 0.6)");
  outline([middle], 2, "white");
  if (lattice > 1) drawLattice(pen, middle, lattice);
}

function drawLattice(pen, [x, y, width, height], lattice) {
  const apart = 9 * devicePixelRatio;
  const count = (length) => clamp(Math.floor(length / apart) - 1, 0, 6 * lattice);
  const [rows, cols] = [count(height), count(width)];
  pen.fillStyle = "rgb(0 0 0 / 0.45)";
  pen.fillRect(x, y, (cols + 1) * apart, (rows + 1) * apart);
  for (let row = 0; row < rows; row += 1) {
    for (let col = 0; col < cols; col += 1) {
      const picked = row % lattice === 0 && col % lattice === 0;
      pen.fillStyle = picked ? "white" : "rgb(255 255 255 / 0.4)";
      pen.beginPath();
      pen.arc(
        x + (col + 1) * apart,
        y + (row + 1) * apart,
        (picked ? 2.6 : 1) * devicePixelRatio,
        0,
        2 * Math.PI,
      );
      pen.fill();
    }
  }
}
