// What is drawn on top of a picture: outlines of tiles with id and state, hatching of missing tiles, a scale bar.

import { overlap } from "./viewport.js";

const FONT = "12px system-ui, sans-serif";
const OUTLINE = "#6fb1ff";
const MISSING = "#ff8a80";
const LONGEST_BAR = 180;
// tiles smaller than this on the screen have no text
const TEXT_WIDTH = 80;
const TEXT_HEIGHT = 40;
const UNITS = [[1e6, "mm"], [1e3, "µm"], [1, "nm"]];

/** The scale bar: { pixels, text } of 1, 2 or 5 times a power of ten; in pixels where no resolution is known. */
export function scaleBar(zoom, nm) {
  const known = Number.isFinite(nm) && nm > 0;
  const longest = (LONGEST_BAR / zoom) * (known ? nm : 1);
  const power = 10 ** Math.floor(Math.log10(longest));
  const length = power * [5, 2, 1].find((step) => step * power <= longest * (1 + 1e-9));
  const [size, unit] = known ? UNITS.find(([least]) => length >= least) ?? UNITS.at(-1) : [1, "px"];
  const text = `${Number((length / size).toPrecision(3))} ${unit}`;
  return { pixels: (length / (known ? nm : 1)) * zoom, text };
}

let hatching;

function hatchingOf(context) {
  if (hatching) return hatching;
  const side = 12;
  const canvas = new OffscreenCanvas(side, side);
  const lines = canvas.getContext("2d");
  lines.strokeStyle = MISSING;
  lines.lineWidth = 2;
  lines.beginPath();
  for (const start of [-side, 0, side]) {
    lines.moveTo(start, side);
    lines.lineTo(start + side, 0);
  }
  lines.stroke();
  hatching = context.createPattern(canvas, "repeat");
  return hatching;
}

/** Draw on a picture of a section: { tiles, missing }; `loading`: not all images of the view have come. */
export class Overlay {
  constructor({ outlines = false, nm } = {}) {
    Object.assign(this, { outlines, nm });
  }

  draw(context, view, section, loading) {
    context.font = FONT;
    context.lineWidth = 1;
    const seen = view.box();
    for (const tile of section.tiles) {
      const missing = section.missing.has(tile.tileId);
      if (!(missing || this.outlines) || !overlap(tile, seen)) continue;
      this.#tile(context, view, tile, missing, missing ? "missing" : loading ? "loading" : "drawn");
    }
    this.#bar(context, view);
  }

  #tile(context, view, tile, missing, state) {
    const [low, high] = [view.toScreen(tile.minX, tile.minY), view.toScreen(tile.maxX, tile.maxY)];
    const [width, height] = [high.x - low.x, high.y - low.y];
    if (missing) {
      context.fillStyle = hatchingOf(context);
      context.fillRect(low.x, low.y, width, height);
    }
    context.strokeStyle = missing ? MISSING : OUTLINE;
    context.strokeRect(low.x + 0.5, low.y + 0.5, width - 1, height - 1);
    if (width < TEXT_WIDTH || height < TEXT_HEIGHT) return;
    // of a tile that reaches out of the picture the text stays in it
    const [x, y] = [Math.max(low.x, 0) + 5, Math.max(low.y, 0) + 5];
    this.#label(context, [tile.tileId, state], x, y, Math.min(high.x, view.width) - x - 5);
  }

  #label(context, lines, x, y, width) {
    if (width < TEXT_WIDTH / 2) return;
    const fitting = lines.map((line) => shortened(context, line, width - 8));
    const widest = Math.max(...fitting.map((line) => context.measureText(line).width));
    context.fillStyle = "rgb(0 0 0 / 70%)";
    context.fillRect(x, y, widest + 8, 16 * lines.length + 4);
    context.fillStyle = "#fff";
    context.textBaseline = "top";
    fitting.forEach((line, index) => context.fillText(line, x + 4, y + 4 + 16 * index));
  }

  #bar(context, view) {
    const { pixels, text } = scaleBar(view.zoom, this.nm);
    const [x, y] = [16, view.height - 18];
    context.fillStyle = "rgb(0 0 0 / 60%)";
    context.fillRect(x - 8, y - 24, Math.max(pixels, context.measureText(text).width) + 16, 34);
    context.fillStyle = "#fff";
    context.fillRect(x, y, pixels, 3);
    context.textBaseline = "bottom";
    context.fillText(text, x, y - 4);
  }
}

function shortened(context, text, width) {
  if (context.measureText(text).width <= width) return text;
  let length = Math.floor((text.length * width) / context.measureText(text).width);
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > width) length--;
  return `${text.slice(0, Math.max(length, 1))}…`;
}
