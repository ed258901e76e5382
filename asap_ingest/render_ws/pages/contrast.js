// Brightness and contrast: each of the 256 values that the service sent is looked up, none is resampled.

const FULL = { low: 0, high: 255 };
// part of the pixels that may become black, and white, in the automatic range
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

/** The range that leaves few pixels beyond its ends; the full one without pixels. */
export function automaticRange(counts) {
  const total = counts.reduce((sum, count) => sum + count, 0);
  if (!total) return FULL;
  const end = (values) => {
    let rest = total * SATURATED;
    return values.find((value) => (rest -= counts[value]) < 0);
  };
  const values = [...counts.keys()];
  const [low, high] = [end(values), end([...values].reverse())];
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

/** Images with the range applied; each is computed once per range. */
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

/** Two sliders that never cross, and what they say. `changed(range)` is called when a person moves one. */
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
