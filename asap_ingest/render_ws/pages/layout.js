// The layout of a section: every tile as its box; one of them is chosen, by pointer or by arrow keys.

import { color, keepDrawn } from "./canvas.js";
import { Viewport, around, tileAt } from "./viewport.js";

const DIRECTIONS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

const middle = (tile) => [(tile.minX + tile.maxX) / 2, (tile.minY + tile.maxY) / 2];

/** The tile to choose next in a direction: near, and rather straight ahead than aside; undefined at the edge. */
export function neighbor(tiles, from, [dx, dy]) {
  const [x, y] = middle(from);
  let best;
  let least = Infinity;
  for (const tile of tiles) {
    const [right, down] = [middle(tile)[0] - x, middle(tile)[1] - y];
    const ahead = right * dx + down * dy;
    const aside = Math.abs(right * dy) + Math.abs(down * dx);
    if (ahead <= 0 || aside > ahead) continue;
    if (ahead + 3 * aside < least) [best, least] = [tile, ahead + 3 * aside];
  }
  return best;
}

export class Layout {
  /** Called: `chosen(tile or null)` when another tile is chosen, `opened(tile)` on a click and on Enter. */
  constructor(canvas, { chosen, opened }) {
    Object.assign(this, { canvas, chosen, opened, tiles: [], missing: new Map(), tile: null, seen: null });
    this.view = new Viewport();
    this.plan = document.createElement("canvas");
    this.redraw = keepDrawn(canvas, (context) => this.#draw(context), (width, height) => {
      Object.assign(this.view, { width: Math.max(width, 1), height: Math.max(height, 1) });
      this.#arrange();
    });
    canvas.addEventListener("pointermove", (event) => this.choose(this.#tileAt(event)));
    canvas.addEventListener("click", (event) => this.#open(this.#tileAt(event)));
    canvas.addEventListener("keydown", (event) => this.#press(event));
    canvas.addEventListener("focus", () => this.choose(this.tile ?? this.tiles[0] ?? null));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#arrange());
  }

  /** Show the tiles of a section, as `tileBounds` gives them. */
  show(tiles) {
    this.tiles = tiles;
    this.missing = new Map();
    this.choose(null);
    this.#arrange();
  }

  /** Mark tiles that cannot be drawn: reasons by tile id. */
  markMissing(missing) {
    if (missing.size === 0 && this.missing.size === 0) return;
    this.missing = new Map(missing);
    this.#arrange();
  }

  /** Mark the part of the section that the picture shows. */
  mark(box) {
    this.seen = box;
    this.redraw();
  }

  #press(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const direction = DIRECTIONS[event.key];
    if (!direction && event.key !== "Enter") return;
    event.preventDefault();
    if (direction) this.choose(this.#next(direction));
    else this.#open(this.tile);
  }

  #next(direction) {
    const first = this.tiles[0] ?? null;
    return this.tile ? (neighbor(this.tiles, this.tile, direction) ?? this.tile) : first;
  }

  #tileAt(event) {
    return tileAt(this.tiles, this.view.toWorld(event.offsetX, event.offsetY));
  }

  /** Choose a tile of the section, or none (null). */
  choose(tile) {
    if (tile === this.tile) return;
    this.tile = tile;
    this.chosen(tile);
    this.redraw();
  }

  #open(tile) {
    if (!tile) return;
    this.choose(tile);
    this.opened(tile);
  }

  #rectangle(box) {
    const [low, high] = [this.view.toScreen(box.minX, box.minY), this.view.toScreen(box.maxX, box.maxY)];
    return [low.x, low.y, high.x - low.x, high.y - low.y];
  }

  /** Draw all tiles once, aside: pointing at one then costs two rectangles, not thousands. */
  #arrange() {
    const all = around(this.tiles);
    if (all) this.view.fit(all);
    Object.assign(this.plan, { width: this.canvas.width, height: this.canvas.height });
    const context = this.plan.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    context.scale(ratio, ratio);
    this.#fill(context, this.tiles, color("tile"), color("tile-edge"), 0.35);
    this.#drawMissing(context);
    this.redraw();
  }

  #drawMissing(context) {
    const missing = this.tiles.filter((tile) => this.missing.has(tile.tileId));
    this.#fill(context, missing, color("bad"), color("bad"), 0.45);
  }

  /** Fill tiles evenly, also where they overlap, and draw their edges: one by one, a path of thousands is slow. */
  #fill(context, tiles, fill, edge, alpha) {
    if (!tiles.length) return;
    const layer = new OffscreenCanvas(this.plan.width, this.plan.height);
    const area = layer.getContext("2d");
    const ratio = window.devicePixelRatio || 1;
    area.scale(ratio, ratio);
    area.fillStyle = fill;
    for (const tile of tiles) area.fillRect(...this.#rectangle(tile));
    context.globalAlpha = alpha;
    context.drawImage(layer, 0, 0, this.view.width, this.view.height);
    context.globalAlpha = 1;
    context.strokeStyle = edge;
    for (const tile of tiles) context.strokeRect(...this.#rectangle(tile));
  }

  #draw(context) {
    context.drawImage(this.plan, 0, 0, this.view.width, this.view.height);
    if (this.tile) {
      context.fillStyle = color("accent");
      context.globalAlpha = 0.6;
      context.fillRect(...this.#rectangle(this.tile));
      context.globalAlpha = 1;
    }
    if (!this.seen || !this.tiles.length) return;
    context.strokeStyle = color("ink");
    context.lineWidth = 2;
    context.strokeRect(...this.#rectangle(this.seen));
  }
}
