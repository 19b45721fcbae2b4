// Nodes, words and images: what the other scripts are made with.

const KEPT_IMAGES = 200;
const LONGEST_WAIT = 10000;

function make(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in node) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

function fill(text, values) {
  return String(text ?? "").replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function clamp(number, low, high) {
  return Math.min(Math.max(number, low), high);
}

/**
 * Decoded images by address: each is fetched once, those drawn longest ago are forgotten first. What did not come is
 * asked for again as long as it is to be drawn, ever less often: the network may be back any time.
 */
class Images {
  constructor(arrived) {
    this.arrived = arrived;
    this.kept = new Map();
    this.frame = 0;
  }

  get(url) {
    const entry = this.kept.get(url) || this.load(url, { tries: 0 });
    if (entry.due && entry.due <= performance.now()) this.load(url, entry);
    this.kept.delete(url);
    this.kept.set(url, entry);
    entry.frame = this.frame;
    return entry.ready ? entry.image : null;
  }

  load(url, entry) {
    entry.image = new Image();
    entry.image.src = url;
    entry.tries += 1;
    entry.due = 0;
    const again = () => {
      const wait = Math.min(1000 * entry.tries, LONGEST_WAIT);
      entry.due = performance.now() + wait;
      setTimeout(this.arrived, wait + 1);
    };
    entry.image.decode().then(() => {
      entry.ready = true;
      this.arrived();
    }, again);
    return entry;
  }

  endFrame() {
    for (const [url, entry] of this.kept) {
      if (this.kept.size <= KEPT_IMAGES || entry.frame === this.frame) break;
      this.kept.delete(url);
    }
    this.frame += 1;
  }
}
