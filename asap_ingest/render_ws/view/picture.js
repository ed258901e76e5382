// The picture of a section: box images of the service, zoomed and moved.

import { BoxImages, boxesOf, imagePath, levelFor } from "./box_images.js";
import { keepDrawn } from "./canvas.js";
import { listenToKeys, listenToPointers, zoomIn, zoomOut } from "./picture_input.js";
import { Viewport, overlap } from "./viewport.js";

// a box that needs more pixels of tile images than this is drawn as outlines: it would take minutes
const MOST_SOURCE_PIXELS = 2 ** 29;
// how long the view must rest before images are asked for, in ms
const REST = 80;

export class Picture {
  /** `keys`: further keys and what they do; `moved(box)`: the seen part of the world has changed. */
  constructor(canvas, status, { keys = {}, moved = () => {} } = {}) {
    this.view = new Viewport();
    Object.assign(this, { canvas, status });
    this.moved = moved;
    this.section = null;
    this.images = new BoxImages(() => this.#refresh());
    this.ask = keepDrawn(canvas, (context) => this.#draw(context), (width, height) => this.#resize(width, height));
    const changed = () => this.#changed();
    listenToPointers(canvas, this.view, changed);
    listenToKeys(canvas, this.view, changed, { 0: () => this.#fit(), Home: () => this.#fit(), ...keys });
  }

  /** Show a section: { layer, query, bounds, tiles, sourceScale, outlined }; the view stays when `keep` is set. */
  show(section, keep = false) {
    this.section = section;
    this.images.retry();
    if (section && !keep) this.#fit();
    this.#changed();
  }

  zoomIn() { zoomIn(this.view); this.#changed(); }

  zoomOut() { zoomOut(this.view); this.#changed(); }

  fit() { this.#fit(); this.#changed(); }

  /** Show a box of the world, with something around it. */
  goTo(box) {
    this.view.fit(box);
    this.view.zoom *= 0.8;
    this.view.least = this.#leastZoom();
    this.#changed();
  }

  #fit() {
    if (this.section) this.view.fit(this.section.bounds);
    this.fitted = true;
  }

  #leastZoom() {
    const whole = Object.assign(new Viewport(), this.view);
    whole.fit(this.section.bounds);
    return whole.least;
  }

  #resize(width, height) {
    Object.assign(this.view, { width: Math.max(width, 1), height: Math.max(height, 1) });
    if (this.section && this.fitted) this.#fit();
    this.#changed(true);
  }

  #changed(sameView = false) {
    if (!sameView) this.fitted = this.section !== null && this.#isFitted();
    this.canvas.ariaBusy = "true";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#refresh(), REST);
    this.moved(this.view.box());
    this.ask();
  }

  #isFitted() {
    const whole = Object.assign(new Viewport(), this.view);
    whole.fit(this.section.bounds);
    return whole.x === this.view.x && whole.y === this.view.y && whole.zoom === this.view.zoom;
  }

  #level() {
    return levelFor(this.view.zoom * (window.devicePixelRatio || 1));
  }

  #path(box) {
    const { layer, query } = this.section;
    return imagePath(layer, box, this.#isOutlined(box) ? `${query}&maxTileSpecsToRender=0` : query);
  }

  #isOutlined(box) {
    const { tiles, sourceScale, outlined } = this.section;
    const key = `${box.level},${box.minX},${box.minY}`;
    if (!outlined.has(key)) {
      const area = tiles.filter((tile) => overlap(tile, box))
        .reduce((sum, tile) => sum + (tile.maxX - tile.minX) * (tile.maxY - tile.minY), 0);
      outlined.set(key, area * sourceScale(box.level) ** 2 > MOST_SOURCE_PIXELS);
    }
    return outlined.get(key);
  }

  #boxes() {
    return this.section ? boxesOf(this.view.box(), this.section.bounds, this.#level()) : [];
  }

  #refresh() {
    const boxes = this.#boxes();
    const paths = boxes.map((box) => this.#path(box));
    this.images.want(paths);
    this.canvas.ariaBusy = String(this.images.missing > 0);
    const failure = paths.map((path) => this.images.failed.get(path)).find(Boolean);
    const outlined = boxes.some((box) => this.#isOutlined(box));
    this.#tell(failure, outlined);
    this.ask();
  }

  #tell(failure, outlined) {
    const texts = [];
    if (this.images.missing) texts.push("Loading images");
    if (failure) texts.push(`Not all can be drawn: ${failure}`);
    if (outlined) texts.push("Outlines of tiles only: zoom in, or make mipmaps for pictures at this scale");
    const text = texts.join(". ");
    if (this.status.textContent !== text) this.status.textContent = text;
  }

  #draw(context) {
    if (!this.section) return;
    // coarser images lie below until the finer ones have come
    const coarsest = Math.min(this.#level() + 4, 30);
    for (let level = coarsest; level >= this.#level(); level--) {
      for (const box of boxesOf(this.view.box(), this.section.bounds, level)) this.#paint(context, box);
    }
  }

  #paint(context, box) {
    const image = this.images.get(this.#path(box));
    if (!image) return;
    const [low, high] = [this.view.toScreen(box.minX, box.minY), this.view.toScreen(box.maxX, box.maxY)];
    // whole screen pixels, so that neighbours meet without a seam
    const ratio = window.devicePixelRatio || 1;
    const snap = (value) => Math.round(value * ratio) / ratio;
    const [x, y] = [snap(low.x), snap(low.y)];
    context.imageSmoothingEnabled = this.view.zoom < 2;
    context.drawImage(image, x, y, snap(high.x) - x, snap(high.y) - y);
  }
}
