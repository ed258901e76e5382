// Drawings: colours of values, tiles on a canvas, lines.

// viridis (van der Walt & Smith 2015) at even steps: equal steps look equally large, also without colours
const VIRIDIS = ["#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30", "#fde725"];
const RGB = VIRIDIS.map((code) => [1, 3, 5].map((at) => parseInt(code.slice(at, at + 2), 16)));

/** Colour of a part from 0 to 1. */
function colour(part) {
  const at = Math.min(Math.max(part, 0), 1) * (RGB.length - 1);
  const below = Math.min(Math.floor(at), RGB.length - 2);
  return `rgb(${RGB[below].map((low, n) => Math.round(low + (at - below) * (RGB[below + 1][n] - low))).join()})`;
}

function colourBar(low, high) {
  const bar = element("span", { class: "scale" });
  bar.style.background = `linear-gradient(to right, ${VIRIDIS.join()})`;
  return [element("span", {}, shown(low)), bar, element("span", {}, shown(high))];
}

/** Rectangles of tiles on a canvas: chosen with the pointer or the arrow keys. */
class TileMap {
  /**
   * frame: element that the canvas fills; rectangles: [x, y, width, height] or null by tile, in units of `size`
   * ([width, height]); paint(context, onCanvas) draws, where onCanvas(rectangle) gives pixels; choose(index).
   */
  constructor({ frame, rectangles, size, tallest, label, paint, choose }) {
    Object.assign(this, { rectangles, size, paint, choose, chosen: null });
    frame.style.aspectRatio = size.join("/");
    frame.style.maxWidth = `min(100%, ${Math.max(1, (tallest * size[0]) / size[1])}px)`;
    this.canvas = element("canvas", {
      tabindex: 0, role: "img", "aria-label": `${label}; arrow keys go from tile to tile`,
      click: (event) => this.click(event), keydown: (event) => this.key(event),
    });
    frame.append(this.canvas);
    new ResizeObserver(() => this.draw()).observe(frame);
    onScheme(() => this.draw());
  }

  draw() {
    const ratio = devicePixelRatio || 1;
    const [width, height] = [this.canvas.clientWidth, this.canvas.clientHeight];
    if (!width || !height) return;
    [this.canvas.width, this.canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
    // drawn by the processor: without a graphics card that is emulated, which takes seconds for 10,000 tiles
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.scale(ratio, ratio);
    const scale = width / this.size[0];
    const onCanvas = (rectangle) => rectangle.map((value) => value * scale);
    const style = getComputedStyle(this.canvas);
    this.paint(context, onCanvas, (name) => style.getPropertyValue(`--${name}`));
    if (this.chosen !== null && this.rectangles[this.chosen]) {
      const [x, y, w, h] = onCanvas(this.rectangles[this.chosen]);
      // two colours, one of which is seen on any picture
      for (const [line, ink] of [[6, style.getPropertyValue("--card")], [3, style.getPropertyValue("--accent")]]) {
        Object.assign(context, { lineWidth: line, strokeStyle: ink });
        context.strokeRect(x, y, w, h);
      }
    }
  }

  mark(index) {
    this.chosen = index;
    this.draw();
  }

  click(event) {
    const scale = this.size[0] / this.canvas.clientWidth;
    const [x, y] = [event.offsetX * scale, event.offsetY * scale];
    const hit = this.rectangles.findLastIndex((at) => at && x >= at[0] && y >= at[1] && x <= at[0] + at[2] && y <= at[1] + at[3]);
    if (hit >= 0) this.choose(hit);
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const next = this.beside(step);
    if (next !== null) this.choose(next);
  }

  /** The nearest tile in a direction; the first one where none is chosen. */
  beside([dx, dy]) {
    const middle = ([x, y, width, height]) => [x + width / 2, y + height / 2];
    if (this.chosen === null || !this.rectangles[this.chosen]) {
      const first = this.rectangles.findIndex(Boolean);
      return first < 0 ? null : first;
    }
    const from = middle(this.rectangles[this.chosen]);
    let [best, least] = [null, Infinity];
    this.rectangles.forEach((rectangle, index) => {
      if (!rectangle || index === this.chosen) return;
      const to = middle(rectangle);
      const [x, y] = [to[0] - from[0], to[1] - from[1]];
      const along = x * dx + y * dy;
      const aside = Math.abs(x * dy) + Math.abs(y * dx);
      const distance = along + 3 * aside;
      if (along > aside && distance < least) [best, least] = [index, distance];
    });
    return best;
  }
}

/** Diagonal lines as a fill, for missing and failed tiles: one pattern, as a whole section may fail. */
function hatching(context, ink) {
  const piece = element("canvas", { width: 8, height: 8 });
  const lines = piece.getContext("2d");
  Object.assign(lines, { strokeStyle: ink, lineWidth: 1 });
  for (const at of [-8, 0, 8]) {
    lines.moveTo(at - 1, 9);
    lines.lineTo(at + 9, -1);
  }
  lines.stroke();
  return context.createPattern(piece, "repeat");
}

/** Draw a picture where tiles lie, and hatching elsewhere: the page's own background is seen where none are. */
function pictureOfTiles(context, picture, rectangles, ink) {
  const { width, height } = context.canvas;
  // filled, then replaced: clipping to 10,000 rectangles takes seconds
  context.beginPath();
  for (const rectangle of rectangles) context.rect(...rectangle);
  context.fill();
  context.save();
  context.resetTransform();
  context.imageSmoothingQuality = "high";
  context.globalCompositeOperation = "source-in";
  context.drawImage(picture, 0, 0, width, height);
  context.globalCompositeOperation = "destination-over";
  context.fillStyle = hatching(context, ink);
  context.fillRect(0, 0, width, height);
  context.restore();
}

/** Draw rectangles ([x, y, width, height] on the canvas) with an outline, and hatched if asked for. */
function outline(context, rectangles, ink, { dash = [], width = 2.5, hatched = false }) {
  if (hatched) {
    context.fillStyle = hatching(context, ink);
    // one path: 10,000 fills with a pattern take six seconds
    context.beginPath();
    for (const rectangle of rectangles) context.rect(...rectangle);
    context.fill();
  }
  Object.assign(context, { strokeStyle: ink, lineWidth: width });
  context.setLineDash(dash);
  for (const [x, y, w, h] of rectangles) {
    const inset = Math.min(width / 2, w / 2, h / 2);
    context.strokeRect(x + inset, y + inset, w - 2 * inset, h - 2 * inset);
  }
  context.setLineDash([]);
}

const WIDTH = 520;

/** Maps values onto 0 to `length`, with a twentieth free at either end. */
function axis(low, high, length) {
  const span = high - low || Math.abs(high) || 1;
  const [from, to] = high > low ? [low - span / 20, high + span / 20] : [low - span / 2, low + span / 2];
  return (value) => ((value - from) / (to - from)) * length;
}

/** A path through points; a point without value ends a line. */
function pathThrough(points) {
  let isOpen = false;
  return points.map(([x, y]) => {
    if (y === null) return (isOpen = false), "";
    const command = isOpen ? "L" : "M";
    isOpen = true;
    return `${command}${x.toFixed(1)} ${y.toFixed(1)}`;
  }).join("");
}
