// Brightness and contrast: a table maps each of the 256 values that the service sent.

const FULL = { low: 0, high: 255 };
// share of the pixels that may become black, and as many white, in the automatic range
const SATURATED = 0.0035;

/** Values shown for 0 to 255: black up to `low`, white from `high` on. */
export function lookup({ low, high }) {
  const scale = 255 / Math.max(high - low, 1);
  return Uint8ClampedArray.from({ length: 256 }, (_, value) => Math.round((value - low) * scale));
}

// side of the squares that a JPEG is made of, in pixels
const BLOCK = 8;

/**
 * Add to `counts` how often each value is in pixels (red, green, blue, alpha) of rows of `width`.
 *
 * Squares that hold the black around tiles are left out: compression blurs its edge into them.
 */
export function histogram(pixels, width, counts = new Float64Array(256)) {
  const height = pixels.length / 4 / width;
  for (let top = 0; top < height; top += BLOCK) {
    for (let left = 0; left < width; left += BLOCK) {
      const values = valuesOf(pixels, width, left, top, Math.min(left + BLOCK, width), Math.min(top + BLOCK, height));
      if (!values.includes(0)) for (const value of values) counts[value]++;
    }
  }
  return counts;
}

function valuesOf(pixels, width, left, top, right, bottom) {
  const values = [];
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) values.push(pixels[4 * (y * width + x)]);
  }
  return values;
}

/** The first of the ordered values with more than `most` pixels up to it. */
function valueBeyond(counts, ordered, most) {
  let pixels = 0;
  return ordered.find((value) => {
    pixels += counts[value];
    return pixels > most;
  });
}

/** The range that leaves few pixels beyond its ends; the full one without pixels. */
export function automaticRange(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return FULL;
  const values = [...counts.keys()];
  const [low, high] = [values, [...values].reverse()].map((ordered) => valueBeyond(counts, ordered, total * SATURATED));
  return { low: Math.min(low, 254), high: Math.max(high, low + 1) };
}

const isFull = ({ low, high }) => low === FULL.low && high === FULL.high;

function canvasOf(image) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  return { canvas, context, pixels: context.getImageData(0, 0, image.width, image.height) };
}

/** The pixels of an image as they were sent. */
export const pixelsOf = (image) => canvasOf(image).pixels.data;

/** Applies the range to images; each is computed once per range. */
export class Contrast {
  constructor() {
    this.set(FULL);
  }

  set(range) {
    this.range = range;
    this.table = lookup(range);
    this.shown = new WeakMap();
  }

  /** What to draw for an image. */
  apply(image) {
    if (isFull(this.range)) return image;
    if (!this.shown.has(image)) this.shown.set(image, this.#applied(image));
    return this.shown.get(image);
  }

  #applied(image) {
    const { canvas, context, pixels } = canvasOf(image);
    const { data } = pixels;
    for (let at = 0; at < data.length; at += 4) {
      for (let component = at; component < at + 3; component++) data[component] = this.table[data[component]];
    }
    context.putImageData(pixels, 0, 0);
    return canvas;
  }
}

/** Two sliders that never cross, and the text of their range. `changed(range)` is called when the user moves one. */
export class ContrastSliders {
  constructor(low, high, text, changed) {
    Object.assign(this, { low, high, text });
    const moved = (slider) => {
      const range = { low: Number(low.value), high: Number(high.value) };
      if (range.low >= range.high) {
        if (slider === low) range.low = range.high - 1;
        else range.high = range.low + 1;
      }
      this.show(range);
      changed(range);
    };
    for (const slider of [low, high]) slider.addEventListener("input", () => moved(slider));
  }

  show({ low, high }) {
    this.low.value = low;
    this.high.value = high;
    this.text.textContent = `${low} to ${high}`;
  }
}
