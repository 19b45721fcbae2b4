// Helpers of the other scripts: elements, texts, and a cache of images.

const MAX_CACHED_IMAGES = 200;
// ms until an image that failed to load is requested again, at most.
const LONGEST_WAIT = 10000;

/** Make an element with properties (attributes where there is no such property) and children. */
function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/** Replace {name} in a text by values. */
function fill(text, values) {
  return String(text ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

/** Set an element's text unless it is the same: screen readers announce every change. */
function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Return the number, or the nearer limit if it lies outside. */
function clamp(number, low, high) {
  return Math.min(Math.max(number, low), high);
}

/**
 * A cache of decoded images by URL. Each is requested once; the ones drawn longest ago are dropped first. An image that
 * failed to load is requested again for as long as it is to be drawn, less and less often, as the network may return.
 */
class ImageCache {
  /** onLoad: is called when there may be something new to draw. */
  constructor(onLoad) {
    this.onLoad = onLoad;
    this.entries = new Map();
    this.frame = 0;
  }

  /** Return an image that has loaded, else null; it is requested if it was not. */
  get(url) {
    const entry = this.entries.get(url) || this.load(url, { tries: 0 });
    if (entry.retryTime && entry.retryTime <= performance.now()) this.load(url, entry);
    this.entries.delete(url);
    this.entries.set(url, entry);
    entry.frame = this.frame;
    return entry.ready ? entry.image : null;
  }

  /** Request an image. */
  load(url, entry) {
    entry.image = new Image();
    entry.image.src = url;
    entry.tries += 1;
    entry.retryTime = 0;
    const retryLater = () => {
      const wait = Math.min(1000 * entry.tries, LONGEST_WAIT);
      entry.retryTime = performance.now() + wait;
      setTimeout(this.onLoad, wait + 1);
    };
    entry.image.decode().then(() => {
      entry.ready = true;
      this.onLoad();
    }, retryLater);
    return entry;
  }

  /** End a drawing: drop images that it did not use, if there are too many. */
  endFrame() {
    for (const [url, entry] of this.entries) {
      if (this.entries.size <= MAX_CACHED_IMAGES || entry.frame === this.frame) break;
      this.entries.delete(url);
    }
    this.frame += 1;
  }
}
