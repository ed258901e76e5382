// The picture of a section: box images of the service, zoomed and moved, with a range of values applied.

import { BoxImages, boxesOf, imagePath, levelFor } from "./box_images.js";
import { keepDrawn } from "./canvas.js";
import { Contrast, automaticRange, histogram, pixelsOf } from "./contrast.js";
import { Overlay } from "./overlay.js";
import { listenToPointers } from "./picture_input.js";
import { Viewport, overlap, tileAt } from "./viewport.js";

// a box that needs more pixels of tile images than this is drawn as outlines: it would take minutes
const MOST_SOURCE_PIXELS = 2 ** 29;
// images are fetched when the view has not changed for so long, in ms
const REST = 80;

export class Picture {
  /** Called: `moved(quietly)` when the view has changed, `settled()` when all of its images are drawn. */
  constructor(canvas, status, { moved, settled, nm }) {
    Object.assign(this, { canvas, status, moved, settled });
    this.view = new Viewport();
    this.contrast = new Contrast();
    this.overlay = new Overlay({ nm });
    this.section = null;
    this.previous = null;
    this.ahead = [];
    this.images = new BoxImages(() => this.#refresh());
    this.redraw = keepDrawn(canvas, (context) => this.#draw(context), (width, height) => this.#resize(width, height));
    listenToPointers(canvas, this.view, () => this.changed());
  }

  /** Show a section of `Sections`, or none (null): the first one as a whole, others where the view is. */
  show(section) {
    // its images as they were before a reload stay until the new ones have come
    this.previous = section && this.section?.z === section.z ? this.section : null;
    this.section = section;
    this.ahead = [];
    this.images.retry();
    if (section && !this.placed) this.#fit();
    if (section) this.view.minZoom = Math.min(this.#whole().minZoom, this.view.zoom);
    this.changed(true);
  }

  /** Move the view: to the world point (x, y), which comes into the middle, and to a zoom. */
  place({ x, y, zoom }) {
    Object.assign(this.view, { x, y, zoom: Math.min(zoom, this.view.maxZoom) });
    this.placed = true;
    this.fitted = false;
    this.changed(true);
  }

  fit() {
    this.#fit();
    this.changed();
  }

  /** Show a box of the world with a margin. */
  goTo(box) {
    this.view.fit(box);
    this.view.zoom *= 0.8;
    this.view.minZoom = this.#whole().minZoom;
    this.changed();
  }

  /** Fetch images of other sections for the same view, after those of this section. */
  fetchAhead(sections) {
    this.ahead = sections.filter(Boolean);
    this.#refresh();
  }

  /** Fetch again what failed, and images that lack tiles. */
  retry() {
    this.images.retry();
    this.#refresh();
  }

  /** Collect the missing tiles of the section again, and mark them. */
  updateMissing() {
    this.#collectMissing();
    this.redraw();
  }

  setRange(range) {
    this.contrast.set(range);
    this.redraw();
  }

  /** The range of values that suits the images in view. */
  automaticRange() {
    const counts = new Float64Array(256);
    const images = this.#boxes().map((box) => this.images.get(this.#path(this.section, box)));
    for (const image of images.filter(Boolean)) histogram(pixelsOf(image), image.width, counts);
    return automaticRange(counts);
  }

  /** The tile under the pointer, or null. */
  tileAt(event) {
    return tileAt(this.section?.tiles ?? [], this.view.toWorld(event.offsetX, event.offsetY));
  }

  /** To be called when the view has changed; `quietly`: not by the user. */
  changed(quietly = false) {
    if (!quietly && this.section) {
      const { x, y, zoom } = this.#whole();
      this.fitted = x === this.view.x && y === this.view.y && zoom === this.view.zoom;
    }
    this.canvas.ariaBusy = "true";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), REST);
    this.moved(quietly);
    this.redraw();
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
    const isBusy = this.images.pending > 0;
    this.canvas.ariaBusy = String(isBusy);
    this.#collectMissing();
    const failure = paths.map((path) => this.images.failed.get(path)).find(Boolean);
    this.#showStatus(failure, boxes.some((box) => this.#isOutlined(this.section, box)));
    this.redraw();
    if (this.section && !isBusy) {
      this.previous = null;
      if (wasBusy) this.settled();
    }
  }

  /** Tiles without files, and those that images lack for any reason. */
  #collectMissing() {
    if (!this.section) return;
    const { layer, files, missing } = this.section;
    missing.clear();
    for (const [tileId, reason] of files) missing.set(tileId, reason);
    for (const [path, { tiles }] of this.images.incomplete) {
      if (!path.startsWith(`${layer}/`)) continue;
      for (const { tileId, reason } of tiles) missing.set(tileId, reason);
    }
  }

  #showStatus(failure, outlined) {
    const texts = [];
    if (this.section && !this.#boxes().length) texts.push("The section lies elsewhere: press 0 to see it");
    if (this.images.pending) texts.push("Loading images");
    if (failure) texts.push(`Not all can be drawn: ${failure}`);
    if (outlined) texts.push("Outlines of tiles only: zoom in, or make mipmaps for pictures at this scale");
    const text = texts.join(". ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  #draw(context) {
    if (!this.section) return;
    for (const section of [this.previous, this.section]) {
      // coarser images are drawn first, to be seen until the finer ones have come
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
