// @ts-check
// The viewer: draws one picture, or two to be compared, on a canvas, and moves and zooms them. Position (fractions of
// the picture) and zoom (relative to Fit) do not depend on the picture's size, so that another stage of the run appears
// with the same part and at the same size on the screen.

import { make } from "./dom.js";
import { ImageCache } from "./image_cache.js";
import { clamp } from "./numbers.js";
import { drawTiles } from "./tiles.js";
import { drawWindows } from "./windows.js";

/** @import { Picture, Preview, Size } from "./value.js" */

// One pixel of the picture takes at most this many device pixels along each side.
const LARGEST_PIXEL = 16;
// Device pixels between two pictures side by side.
const GAP = 8;
// A preview is drawn over the stage below with at most this opacity, since it is coarser.
const PREVIEW_OPACITY = 0.6;
// The opacity of the picture on display while a run has nothing to show yet.
const DIMMED_OPACITY = 0.35;

/** @typedef {Omit<Preview, "image"> & { image: HTMLCanvasElement }} DecodedPreview */
/** @typedef {Picture | DecodedPreview} Layer  What can be drawn. */
/** @typedef {{ x: number, y: number }} Point  A point of the canvas, in device pixels. */
/** @typedef {{ left: number, width: number }} Span  A part of the canvas from top to bottom, in device pixels. */

/**
 * One of the two pictures of a comparison, or the only picture.
 *
 * @typedef {object} Side
 * @property {Layer} layer
 * @property {Span} pane  the part of the canvas in which the layer is centred
 * @property {Span} part  the part of the canvas in which the layer is drawn
 */

/**
 * Two pictures that are compared.
 *
 * @typedef {object} Pair
 * @property {Picture} a
 * @property {Picture} b
 * @property {boolean} sideBySide  whether they are side by side, not at both sides of a divider
 * @property {number} divider  the divider's distance from the left edge, as a fraction of the width
 */

/**
 * Where a whole layer is on the canvas.
 *
 * @typedef {object} Placement
 * @property {number} left  in device pixels, as are the other lengths
 * @property {number} top
 * @property {number} across  its width
 * @property {number} down  its height
 * @property {number} scale  device pixels per pixel of the layer
 */

/** The viewer. */
export class Viewer {
  /** @param {() => void} onDraw  is called after each drawing */
  constructor(onDraw) {
    this.onDraw = onDraw;
    /** @type {Picture | null} The finished picture that is shown. */
    this.picture = null;
    /** @type {DecodedPreview | null} The preview of the stage in progress, which is drawn instead of the picture. */
    this.preview = null;
    /** @type {Preview | null} The newest preview, which may not be decoded yet. */
    this.pendingPreview = null;
    /** @type {Picture | null} The next smaller picture of the same run. */
    this.smaller = null;
    /** @type {Pair | null} The two pictures that are compared; null without a comparison. */
    this.pair = null;
    /** @type {Layer | null} The layer that was drawn last. */
    this.lastLayer = null;
    // Whether previews and new stages of the run are shown as they arrive.
    this.followsRun = true;
    // Whether the next smaller picture is drawn instead of the picture.
    this.showsSmaller = false;
    // Whether the picture is dimmed, because a new run has begun that has nothing to show yet.
    this.isDimmed = false;
    // Whether the windows of the stage are outlined.
    this.showWindows = false;
    // Whether the zoom stays at 1:1 when the canvas changes its size.
    this.keepsOneToOne = false;
    this.drawIsRequested = false;
    // Width of the run's largest stage, px.
    this.largestWidth = 0;
    // x, y: the point of the picture in the middle of the canvas, as fractions. zoom: relative to Fit.
    this.position = { x: 0.5, y: 0.5, zoom: 1 };
    this.images = new ImageCache(() => this.requestDraw());
    this.canvas = make("canvas", { className: "st-canvas" });
    this.drawing = getDrawing(this.canvas);
    // Tests read the visible part of the picture from the frame.
    this.frame = Object.assign(
      make("div", { id: "viewer", className: "st-frame", tabIndex: 0 }, this.canvas),
      { rectangle: () => this.rectangle() },
    );
    this.watchSize();
  }

  /** Keep the canvas at the number of device pixels that it takes on the screen. */
  watchSize() {
    const observer = new ResizeObserver(([{ contentRect, devicePixelContentBoxSize: exact }]) => {
      this.canvas.width = exact ? exact[0].inlineSize : Math.round(contentRect.width * devicePixelRatio);
      this.canvas.height = exact ? exact[0].blockSize : Math.round(contentRect.height * devicePixelRatio);
      this.constrain();
      this.draw();
    });
    try {
      observer.observe(this.canvas, { box: "device-pixel-content-box" });
    } catch {
      observer.observe(this.canvas);
    }
  }

  /**
   * Show a finished picture.
   *
   * @param {Picture} picture
   */
  show(picture) {
    this.prepareFor(picture);
    this.picture = picture;
    this.requestDraw();
  }

  /**
   * Adjust position and zoom before the next layer is shown: keep them unless the layer has another shape.
   *
   * @param {{ size: Size }} next
   */
  prepareFor(next) {
    const now = this.layer();
    if (!now) return;
    /** @param {{ size: Size }} layer */
    const aspect = ({ size }) => size[1] / size[0];
    if (Math.abs(aspect(now) / aspect(next) - 1) > 0.02) this.fit();
    if (now.size[1] !== next.size[1]) this.keepsOneToOne = false;
  }

  /**
   * Show a preview over the picture as soon as it is decoded; null removes it.
   *
   * @param {Preview | null} preview
   */
  async showPreview(preview) {
    this.pendingPreview = preview;
    if (!preview) {
      this.preview = null;
      return this.requestDraw();
    }
    const image = new Image();
    image.src = preview.image;
    await image.decode().catch(() => null);
    if (!image.naturalWidth || this.pendingPreview !== preview) return;
    if (this.followsRun) this.prepareFor(preview);
    this.preview = { ...preview, image: soften(image, preview.lattice) };
    this.requestDraw();
  }

  /**
   * Dim the picture while a new run has nothing to show yet.
   *
   * @param {boolean} isDimmed
   */
  setDimmed(isDimmed) {
    if (this.isDimmed === isDimmed) return;
    this.isDimmed = isDimmed;
    this.requestDraw();
  }

  /**
   * Compare two pictures; null ends the comparison.
   *
   * @param {Pair | null} pair
   */
  compare(pair) {
    this.pair = pair;
    this.constrain();
  }

  /**
   * Stop showing the pictures with these keys.
   *
   * @param {Set<string>} keys
   */
  remove(keys) {
    /** @param {Layer | null} layer */
    const isGone = (layer) => layer !== null && "key" in layer && keys.has(layer.key);
    if (isGone(this.picture)) this.picture = null;
    if (isGone(this.lastLayer)) this.lastLayer = null;
    this.requestDraw();
  }

  /**
   * Return the layer that is shown if there is no comparison.
   *
   * @returns {Layer | null}
   */
  layer() {
    if (this.showsSmaller && this.smaller) return this.smaller;
    return (this.followsRun && this.preview) || this.picture;
  }

  /**
   * Return what is on the canvas: two sides in a comparison, else one; none if there is no layer.
   *
   * @returns {Side[]}
   */
  sides() {
    const { width } = this.canvas;
    if (!width) return [];
    const whole = { left: 0, width };
    const only = this.layer();
    if (!this.pair) return only ? [{ layer: only, pane: whole, part: whole }] : [];
    const { a, b, sideBySide, divider } = this.pair;
    if (sideBySide) {
      const half = Math.floor((width - GAP) / 2);
      const [left, right] = [0, width - half].map((start) => ({ left: start, width: half }));
      return [
        { layer: a, pane: left, part: left },
        { layer: b, pane: right, part: right },
      ];
    }
    const cut = Math.round(width * divider);
    return [
      { layer: a, pane: whole, part: { left: 0, width: cut } },
      { layer: b, pane: whole, part: { left: cut, width: width - cut } },
    ];
  }

  /**
   * Return the side that a point of the canvas lies on, else the first side.
   *
   * @param {Point} [point]
   * @returns {Side | undefined}
   */
  sideAt(point) {
    const sides = this.sides();
    return (
      sides.find(({ part }) => point && point.x >= part.left && point.x < part.left + part.width) || sides[0]
    );
  }

  /**
   * Return the device pixels that a pixel of the layer takes along each side at Fit.
   *
   * @param {Side} side
   */
  fitScale({ layer, pane }) {
    return Math.min(pane.width / layer.size[1], this.canvas.height / layer.size[0]);
  }

  /**
   * Return the position and size of a side's whole layer on the canvas.
   *
   * @param {Side} side
   * @returns {Placement}
   */
  placement(side) {
    const scale = this.fitScale(side) * this.position.zoom;
    const [down, across] = side.layer.size.map((length) => length * scale);
    const left = Math.round(side.pane.left + side.pane.width / 2 - this.position.x * across);
    const top = Math.round(this.canvas.height / 2 - this.position.y * down);
    return { left, top, across, down, scale };
  }

  /** Return the visible part of the picture: left, top, width and height as fractions of the picture. */
  rectangle() {
    const side = this.sideAt();
    if (!side) return [0, 0, 1, 1];
    const { left, top, across, down } = this.placement(side);
    const from = [(side.pane.left - left) / across, -top / down].map((start) => clamp(start, 0, 1));
    const to = [(side.pane.left + side.pane.width - left) / across, (this.canvas.height - top) / down];
    return [...from, ...to.map((end, axis) => clamp(end, 0, 1) - from[axis])];
  }

  /** Return the zoom at which a pixel of the picture takes a device pixel; of two pictures, the larger one counts. */
  oneToOneZoom() {
    const finest = this.sides().map((side) => this.fitScale(side));
    return finest.length ? 1 / Math.min(...finest) : 1;
  }

  /**
   * Zoom by a factor within limits around a point of the canvas, or around the middle if there is no point.
   *
   * @param {number} factor
   * @param {Point} [point]
   */
  zoomBy(factor, point) {
    const oneToOne = this.oneToOneZoom();
    this.keepsOneToOne = false;
    this.zoomTo(
      clamp(this.position.zoom * factor, Math.min(1, oneToOne), Math.max(8, LARGEST_PIXEL * oneToOne)),
      point,
    );
  }

  /**
   * Set the zoom, around a point of the canvas or around the middle if there is no point.
   *
   * @param {number} zoom
   * @param {Point} [point]
   */
  zoomTo(zoom, point) {
    const side = this.sideAt(point);
    if (!side) return;
    const fixedPoint = point || { x: side.pane.left + side.pane.width / 2, y: this.canvas.height / 2 };
    const before = this.placement(side);
    const ratio = zoom / this.position.zoom;
    this.position.x += ((fixedPoint.x - before.left) / before.across - this.position.x) * (1 - 1 / ratio);
    this.position.y += ((fixedPoint.y - before.top) / before.down - this.position.y) * (1 - 1 / ratio);
    this.position.zoom = zoom;
    this.constrain();
  }

  /** Show the whole picture. */
  fit() {
    this.keepsOneToOne = false;
    this.position = { x: 0.5, y: 0.5, zoom: 1 };
    this.requestDraw();
  }

  /**
   * Show one pixel of the picture on one device pixel, also after the canvas has changed its size.
   *
   * @param {Point} [point]
   */
  oneToOne(point) {
    this.zoomTo(this.oneToOneZoom(), point);
    this.keepsOneToOne = true;
  }

  /**
   * Switch between Fit and 1:1.
   *
   * @param {Point} [point]
   */
  toggleOneToOne(point) {
    if (this.position.zoom === 1) this.oneToOne(point);
    else this.fit();
  }

  /**
   * Move the picture by device pixels.
   *
   * @param {number} across
   * @param {number} down
   */
  pan(across, down) {
    const side = this.sideAt();
    if (!side) return;
    const place = this.placement(side);
    this.position.x -= across / place.across;
    this.position.y -= down / place.down;
    this.constrain();
  }

  /**
   * Limit the position so that no margin appears beside the picture, unless a compared picture of another shape extends
   * there; and keep the zoom at 1:1 if 1:1 was chosen.
   */
  constrain() {
    const side = this.sideAt();
    if (!side) return;
    if (this.keepsOneToOne) this.position.zoom = this.oneToOneZoom();
    const edges = this.sides().map((each) => {
      const { across, down } = this.placement(each);
      return [each.pane.width / across, this.canvas.height / down].map((seen) => Math.min(seen / 2, 0.5));
    });
    const [x, y] = [0, 1].map((axis) => Math.min(...edges.map((edge) => edge[axis])));
    this.position.x = clamp(this.position.x, x, 1 - x);
    this.position.y = clamp(this.position.y, y, 1 - y);
    this.requestDraw();
  }

  /** Draw at the next frame of the screen. */
  requestDraw() {
    if (this.drawIsRequested) return;
    this.drawIsRequested = true;
    requestAnimationFrame(() => this.draw());
  }

  /** Draw all sides. */
  draw() {
    this.drawIsRequested = false;
    const { width, height } = this.canvas;
    if (!width || !height) return;
    this.drawing.clearRect(0, 0, width, height);
    for (const side of this.sides()) this.drawSide(side);
    this.images.endFrame();
    this.onDraw();
  }

  /**
   * Draw one side: its layer and, if they are switched on, its windows.
   *
   * @param {Side} side
   */
  drawSide(side) {
    const { part, layer } = side;
    this.drawing.save();
    this.drawing.beginPath();
    this.drawing.rect(part.left, 0, part.width, this.canvas.height);
    this.drawing.clip();
    // The previous picture stays until the new one has loaded, so that nothing flashes.
    if (this.drawLayer(side)) this.lastLayer = layer;
    else if (this.lastLayer && !this.pair) this.drawLayer({ ...side, layer: this.lastLayer });
    if (this.showWindows && "windows" in layer && layer.windows.length) {
      drawWindows(this.drawing, layer.windows, layer.lattice, this.placement(side));
    }
    this.drawing.restore();
  }

  /**
   * Draw a preview over the enlarged picture of the stage below, which it replaces as the steps go.
   *
   * @param {Side} side
   * @param {DecodedPreview} preview
   */
  drawPreview(side, preview) {
    const { left, top, across, down } = this.placement(side);
    const hasBelow = this.smaller !== null && this.drawLayer({ ...side, layer: this.smaller });
    this.drawing.save();
    this.drawing.globalAlpha = hasBelow ? Math.min(preview.share, PREVIEW_OPACITY) : 1;
    this.drawing.imageSmoothingEnabled = true;
    this.drawing.imageSmoothingQuality = "high";
    this.drawing.drawImage(preview.image, left, top, Math.round(across), Math.round(down));
    this.drawing.restore();
    return true;
  }

  /**
   * Draw a side's layer, with tiles if the layer's small version is too coarse. Return whether it has loaded.
   *
   * @param {Side} side
   */
  drawLayer(side) {
    const { layer } = side;
    if ("image" in layer) return this.drawPreview(side, layer);
    const whole = this.images.get(layer.proxy.url);
    if (!whole) return false;
    this.drawing.globalAlpha = this.isDimmed ? DIMMED_OPACITY : 1;
    const { left, top, across, down, scale } = this.placement(side);
    const finest = Math.max(this.largestWidth, ...this.sides().map((other) => other.layer.size[1]));
    this.drawing.imageSmoothingEnabled = this.position.zoom <= 1 || across / finest <= 2;
    this.drawing.imageSmoothingQuality = "high";
    this.drawing.drawImage(whole, left, top, Math.round(across), Math.round(down));
    const proxyIsFullSize = whole.naturalWidth >= layer.size[1];
    // The proxy is a JPEG. From 1:1 on, if somebody zooms in, the lossless tiles are shown.
    const isLossless = scale > 0.999 && this.position.zoom !== 1;
    const needsTiles = isLossless || (!proxyIsFullSize && across > whole.naturalWidth);
    if (needsTiles && layer.levels) drawTiles(this, side, layer);
    return true;
  }
}

/**
 * Return the image of a preview, blurred. The blur hides the cells of the latent, and the grid that dilated views leave
 * until the last steps. It is made at the preview's own size, where it takes a fraction of the time.
 *
 * @param {HTMLImageElement} image
 * @param {number} lattice  the dilation of the dilated views
 */
function soften(image, lattice) {
  const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
  const drawing = getDrawing(canvas);
  drawing.drawImage(image, 0, 0); // Below the blurred one, which is transparent along its edges.
  drawing.filter = `blur(${0.5 * Math.max(1, lattice)}px)`;
  drawing.drawImage(image, 0, 0);
  return canvas;
}

/**
 * Return the object that draws on a canvas.
 *
 * @param {HTMLCanvasElement} canvas
 */
function getDrawing(canvas) {
  const drawing = canvas.getContext("2d");
  if (!drawing) throw new Error("no 2d canvas");
  return drawing;
}
