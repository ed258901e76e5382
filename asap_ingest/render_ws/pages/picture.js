// The picture of a section: box images of the service, zoomed and moved, with a range of values applied.

import { BoxImages, boxesOf, imagePath, levelFor } from "./box_images.js";
import { keepDrawn } from "./canvas.js";
import { Contrast, automaticRange, histogram, pixelsOf } from "./contrast.js";
import { Overlay } from "./overlay.js";
import { listenToPointers } from "./picture_input.js";
import { Viewport, overlap } from "./viewport.js";

// a box that needs more pixels of tile images than this is drawn as outlines: it would take minutes
const MOST_SOURCE_PIXELS = 2 ** 29;
// how long the view must rest before images are asked for, in ms
const REST = 80;

export class Picture {
  /** `moved()`: the seen part of the world has changed; `settled()`: all images of the view have come. */
  constructor(canvas, status, { moved = () => {}, settled = () => {}, nm } = {}) {
    Object.assign(this, { canvas, status, moved, settled });
    this.view = new Viewport();
    this.contrast = new Contrast();
    this.overlay = new Overlay({ nm });
    this.section = null;
    this.before = null;
    this.ahead = [];
    this.images = new BoxImages(() => this.#refresh());
    this.ask = keepDrawn(canvas, (context) => this.#draw(context), (width, height) => this.#resize(width, height));
    listenToPointers(canvas, this.view, () => this.changed());
  }

  /** Show a section of `Sections`, or none (null), at the place that is seen; the first one as a whole. */
  show(section) {
    // pictures of the same section as it was stay until the new ones have come
    this.before = section && this.section?.z === section.z ? this.section : null;
    this.section = section;
    this.ahead = [];
    this.images.retry();
    if (section && !this.placed) this.#fit();
    if (section) this.view.least = Math.min(this.#whole().least, this.view.zoom);
    this.changed(true);
  }

  /** Look at a place { x, y, zoom } of the world. */
  place({ x, y, zoom }) {
    Object.assign(this.view, { x, y, zoom: Math.min(zoom, this.view.most) });
    this.placed = true;
    this.fitted = false;
    this.changed(true);
  }

  fit() {
    this.#fit();
    this.changed();
  }

  /** Show a box of the world, with something around it. */
  goTo(box) {
    this.view.fit(box);
    this.view.zoom *= 0.8;
    this.view.least = this.#whole().least;
    this.changed();
  }

  /** Fetch images of other sections at the same place, when those that are seen have come. */
  fetchAhead(sections) {
    this.ahead = sections.filter(Boolean);
    this.#refresh();
  }

  /** Ask again for what failed or lacked tiles. */
  retry() {
    this.images.retry();
    this.#refresh();
  }

  /** What is known of missing tiles has changed. */
  recount() {
    this.#collectMissing();
    this.ask();
  }

  setRange(range) {
    this.contrast.set(range);
    this.ask();
  }

  /** The range that shows what is seen best. */
  automaticRange() {
    const counts = new Float64Array(256);
    const images = this.#boxes().map((box) => this.images.get(this.#path(this.section, box)));
    for (const image of images.filter(Boolean)) histogram(pixelsOf(image), image.width, counts);
    return automaticRange(counts);
  }

  /** The tile at an event's place, the last drawn first. */
  tileAt(event) {
    const { x, y } = this.view.toWorld(event.offsetX, event.offsetY);
    const tiles = this.section?.tiles ?? [];
    return tiles.findLast((t) => t.minX <= x && x <= t.maxX && t.minY <= y && y <= t.maxY) ?? null;
  }

  /** The view has changed; `quietly`: not by a person. */
  changed(quietly = false) {
    if (!quietly && this.section) {
      const { x, y, zoom } = this.#whole();
      this.fitted = x === this.view.x && y === this.view.y && zoom === this.view.zoom;
    }
    this.canvas.ariaBusy = "true";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), REST);
    this.moved(quietly);
    this.ask();
  }

  #fit() {
    if (!this.section) return;
    this.view.fit(this.section.bounds);
    this.placed = this.fitted = true;
  }

  #whole() {
    const whole = Object.assign(new Viewport(), this.view);
    whole.fit(this.section.bounds);
    return whole;
  }

  #resize(width, height) {
    Object.assign(this.view, { width: Math.max(width, 1), height: Math.max(height, 1) });
    if (this.section && this.fitted) this.#fit();
    this.changed(true);
  }

  #level() {
    return levelFor(this.view.zoom * (window.devicePixelRatio || 1));
  }

  #path(section, box) {
    const outlined = this.#isOutlined(section, box) ? "&maxTileSpecsToRender=0" : "";
    return imagePath(section.layer, box, `${section.query}${outlined}`);
  }

  #isOutlined({ tiles, sourceScale, outlined }, box) {
    const key = `${box.level},${box.minX},${box.minY}`;
    if (!outlined.has(key)) {
      const area = tiles.filter((tile) => overlap(tile, box))
        .reduce((sum, tile) => sum + (tile.maxX - tile.minX) * (tile.maxY - tile.minY), 0);
      outlined.set(key, area * sourceScale(box.level) ** 2 > MOST_SOURCE_PIXELS);
    }
    return outlined.get(key);
  }

  #boxes(section = this.section, level = this.#level()) {
    return section ? boxesOf(this.view.box(), section.bounds, level) : [];
  }

  #refresh() {
    const boxes = this.#boxes();
    const paths = boxes.map((box) => this.#path(this.section, box));
    const ahead = this.ahead.flatMap((section) => this.#boxes(section).map((box) => this.#path(section, box)));
    this.images.want(paths, ahead);
    const wasBusy = this.canvas.ariaBusy !== "false";
    const isBusy = this.images.missing > 0;
    this.canvas.ariaBusy = String(isBusy);
    this.#collectMissing();
    const failure = paths.map((path) => this.images.failed.get(path)).find(Boolean);
    this.#tell(failure, boxes.some((box) => this.#isOutlined(this.section, box)));
    this.ask();
    if (this.section && !isBusy) {
      this.before = null;
      if (wasBusy) this.settled();
    }
  }

  /** Tiles without files, and those that pictures lack, whatever the reason. */
  #collectMissing() {
    if (!this.section) return;
    const { layer, files, missing } = this.section;
    missing.clear();
    for (const [tileId, reason] of files) missing.set(tileId, reason);
    for (const [path, { tiles }] of this.images.lacking) {
      if (!path.startsWith(`${layer}/`)) continue;
      for (const { tileId, reason } of tiles) missing.set(tileId, reason);
    }
  }

  #tell(failure, outlined) {
    const texts = [];
    if (this.section && !this.#boxes().length) texts.push("The section lies elsewhere: press 0 to see it");
    if (this.images.missing) texts.push("Loading images");
    if (failure) texts.push(`Not all can be drawn: ${failure}`);
    if (outlined) texts.push("Outlines of tiles only: zoom in, or make mipmaps for pictures at this scale");
    const text = texts.join(". ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  #draw(context) {
    if (!this.section) return;
    for (const section of [this.before, this.section]) {
      // coarser images lie below until the finer ones have come
      const coarsest = Math.min(this.#level() + 4, 30);
      for (let level = coarsest; section && level >= this.#level(); level--) {
        for (const box of this.#boxes(section, level)) this.#paint(context, section, box);
      }
    }
    this.overlay.draw(context, this.view, this.section, this.canvas.ariaBusy === "true");
  }

  #paint(context, section, box) {
    const image = this.images.get(this.#path(section, box));
    if (!image) return;
    const [low, high] = [this.view.toScreen(box.minX, box.minY), this.view.toScreen(box.maxX, box.maxY)];
    // whole screen pixels, so that neighbours meet without a seam
    const ratio = window.devicePixelRatio || 1;
    const snap = (value) => Math.round(value * ratio) / ratio;
    const [x, y] = [snap(low.x), snap(low.y)];
    context.imageSmoothingEnabled = this.view.zoom < 2;
    context.drawImage(this.contrast.apply(image), x, y, snap(high.x) - x, snap(high.y) - y);
  }
}
