// The viewer: pictures on one canvas. A place is a share of the picture (0 to 1) and a zoom is relative to Fit,
// so that both outlive the picture: another stage appears under the same eye.

const LARGEST_PIXEL = 16;
const GAP = 8;

/** What is looked at, and where. A layer is a picture, or a preview: {size, image}. */
class Viewer {
  constructor(drawn) {
    this.drawn = drawn;
    this.shown = this.preview = this.smaller = this.pair = this.last = null;
    this.following = true;
    this.held = this.windows = this.exact = this.dirty = false;
    this.widest = 0;
    this.at = { x: 0.5, y: 0.5, zoom: 1 };
    this.images = new Images(() => this.soon());
    this.canvas = make("canvas", { className: "st-canvas" });
    this.pen = this.canvas.getContext("2d");
    this.frame = make("div", { id: "viewer", className: "st-frame", tabIndex: 0 }, this.canvas);
    this.frame.rectangle = () => this.rectangle();
    this.watchSize();
  }

  watchSize() {
    const observer = new ResizeObserver(([{ contentRect, devicePixelContentBoxSize: exact }]) => {
      this.canvas.width = exact ? exact[0].inlineSize : Math.round(contentRect.width * devicePixelRatio);
      this.canvas.height = exact ? exact[0].blockSize : Math.round(contentRect.height * devicePixelRatio);
      this.settle();
      this.draw();
    });
    try {
      observer.observe(this.canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(this.canvas);
    }
  }

  show(picture) {
    this.makeRoomFor(picture);
    this.shown = picture;
    this.soon();
  }

  /** The place under the eye stays, unless the next layer has another shape. */
  makeRoomFor(next) {
    const now = this.layer();
    if (!now) return;
    const aspect = ({ size }) => size[1] / size[0];
    if (Math.abs(aspect(now) / aspect(next) - 1) > 0.02) this.fit();
    if (now.size[1] !== next.size[1]) this.exact = false;
  }

  /** Puts a preview over the picture as soon as it is decoded, null takes it away. */
  async foresee(preview) {
    this.awaited = preview;
    if (!preview) {
      this.preview = null;
      return this.soon();
    }
    const image = new Image();
    image.src = preview.image;
    await image.decode().catch(() => null);
    if (!image.naturalWidth || this.awaited !== preview) return;
    if (this.following) this.makeRoomFor(preview);
    this.preview = { ...preview, image };
    this.soon();
  }

  compare(pair) {
    this.pair = pair;
    this.settle();
  }

  layer() {
    if (this.held && this.smaller) return this.smaller;
    return (this.following && this.preview) || this.shown;
  }

  /** The layers on the canvas: what, in which pane it is centred, and which part of it is seen. */
  sides() {
    const { width } = this.canvas;
    if (!width) return [];
    const whole = { left: 0, width };
    if (!this.pair) return this.layer() ? [{ layer: this.layer(), pane: whole, part: whole }] : [];
    const { a, b, beside, divider } = this.pair;
    if (beside) {
      const half = Math.floor((width - GAP) / 2);
      return [
        [a, 0],
        [b, width - half],
      ].map(([layer, left]) => {
        const pane = { left, width: half };
        return { layer, pane, part: pane };
      });
    }
    const cut = Math.round(width * divider);
    return [
      { layer: a, pane: whole, part: { left: 0, width: cut } },
      { layer: b, pane: whole, part: { left: cut, width: width - cut } },
    ];
  }

  /** The side a point lies on, or the first. */
  side(point) {
    const sides = this.sides();
    return (
      sides.find(({ part }) => point && point.x >= part.left && point.x < part.left + part.width) || sides[0]
    );
  }

  /** Device pixels for a picture's pixel at Fit. */
  fitScale({ layer, pane }) {
    return Math.min(pane.width / layer.size[1], this.canvas.height / layer.size[0]);
  }

  /** Where the whole layer lies on the canvas, in device pixels. */
  place(side) {
    const scale = this.fitScale(side) * this.at.zoom;
    const [down, across] = side.layer.size.map((length) => length * scale);
    const left = Math.round(side.pane.left + side.pane.width / 2 - this.at.x * across);
    const top = Math.round(this.canvas.height / 2 - this.at.y * down);
    return { left, top, across, down, scale };
  }

  /** The part of the picture on the screen: left, top, width and height as shares of it. */
  rectangle() {
    const side = this.side();
    if (!side) return [0, 0, 1, 1];
    const { left, top, across, down } = this.place(side);
    const from = [(side.pane.left - left) / across, -top / down].map((start) => clamp(start, 0, 1));
    const to = [(side.pane.left + side.pane.width - left) / across, (this.canvas.height - top) / down];
    return [...from, ...to.map((end, axis) => clamp(end, 0, 1) - from[axis])];
  }

  /** The zoom at which a pixel of the picture, the larger of two, is one pixel of the screen. */
  oneToOneZoom() {
    const finest = this.sides().map((side) => this.fitScale(side));
    return finest.length ? 1 / Math.min(...finest) : 1;
  }

  zoomBy(factor, point) {
    const oneToOne = this.oneToOneZoom();
    this.exact = false;
    this.zoomTo(
      clamp(this.at.zoom * factor, Math.min(1, oneToOne), Math.max(8, LARGEST_PIXEL * oneToOne)),
      point,
    );
  }

  /** The place under the point, or in the middle, stays where it is. */
  zoomTo(zoom, point) {
    const side = this.side(point);
    if (!side) return;
    const held = point || { x: side.pane.left + side.pane.width / 2, y: this.canvas.height / 2 };
    const before = this.place(side);
    const grown = zoom / this.at.zoom;
    this.at.x += ((held.x - before.left) / before.across - this.at.x) * (1 - 1 / grown);
    this.at.y += ((held.y - before.top) / before.down - this.at.y) * (1 - 1 / grown);
    this.at.zoom = zoom;
    this.settle();
  }

  fit() {
    this.exact = false;
    this.at = { x: 0.5, y: 0.5, zoom: 1 };
    this.soon();
  }

  oneToOne(point) {
    this.zoomTo(this.oneToOneZoom(), point);
    this.exact = true;
  }

  toggleOneToOne(point) {
    if (this.at.zoom === 1) this.oneToOne(point);
    else this.fit();
  }

  /** Moves the picture by device pixels. */
  pan(across, down) {
    const side = this.side();
    if (!side) return;
    const place = this.place(side);
    this.at.x -= across / place.across;
    this.at.y -= down / place.down;
    this.settle();
  }

  /** No empty margin is dragged in, unless another shape beside it reaches there; one-to-one stays so. */
  settle() {
    const side = this.side();
    if (!side) return;
    if (this.exact) this.at.zoom = this.oneToOneZoom();
    const edges = this.sides().map((each) => {
      const { across, down } = this.place(each);
      return [each.pane.width / across, this.canvas.height / down].map((seen) => Math.min(seen / 2, 0.5));
    });
    const [x, y] = [0, 1].map((axis) => Math.min(...edges.map((edge) => edge[axis])));
    this.at.x = clamp(this.at.x, x, 1 - x);
    this.at.y = clamp(this.at.y, y, 1 - y);
    this.soon();
  }

  soon() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.dirty = false;
    const { width, height } = this.canvas;
    if (!width || !height) return;
    this.pen.clearRect(0, 0, width, height);
    for (const side of this.sides()) this.drawSide(side);
    this.images.endFrame();
    this.drawn();
  }

  drawSide(side) {
    const { part, layer } = side;
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(part.left, 0, part.width, this.canvas.height);
    this.pen.clip();
    // Until a new picture is there the one before stays, so that nothing flashes.
    if (this.drawLayer(side)) this.last = layer;
    else if (this.last && !this.pair) this.drawLayer({ ...side, layer: this.last });
    const windows = this.windows ? layer.windows || [] : [];
    if (windows.length) drawWindows(this.pen, windows, layer.lattice, this.place(side));
    this.pen.restore();
  }

  drawLayer(side) {
    const { layer } = side;
    const whole = layer.image || this.images.get(layer.proxy.url);
    if (!whole) return false;
    const { left, top, across, down, scale } = this.place(side);
    const finest = Math.max(this.widest, ...this.sides().map((other) => other.layer.size[1]));
    this.pen.imageSmoothingEnabled = this.at.zoom <= 1 || across / finest <= 2;
    this.pen.imageSmoothingQuality = "high";
    this.pen.drawImage(whole, left, top, Math.round(across), Math.round(down));
    const proxyIsAll = whole.naturalWidth >= layer.size[1];
    // The proxy is a JPEG: from one-to-one on a visitor who zooms sees the lossless pixels.
    const lossless = scale > 0.999 && this.at.zoom !== 1;
    const tiled = lossless || (!proxyIsAll && across > whole.naturalWidth);
    if (layer.tile && tiled) drawTiles(this, side);
    return true;
  }
}
