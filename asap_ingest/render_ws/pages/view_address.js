// The view as parameters of the address, so that a link shows the same: z, place, zoom, contrast, outlines, stack beside.

const number = (text) => (text === null || text.trim() === "" ? NaN : Number(text));

/** { z, place: { x, y, zoom } or null, contrast: { low, high } or null, outlines, beside } of a query. */
export function readView(query) {
  const [x, y, zoom] = ["x", "y", "zoom"].map((name) => number(query.get(name)));
  const [low, high] = (query.get("contrast") ?? "").split("-").map(number);
  const isRange = [low, high].every(Number.isInteger) && low >= 0 && low < high && high <= 255;
  return {
    z: number(query.get("z")),
    place: [x, y, zoom].every(Number.isFinite) && zoom > 0 ? { x, y, zoom } : null,
    contrast: isRange ? { low, high } : null,
    outlines: query.get("outlines") === "1",
    beside: query.get("beside") ?? "",
  };
}

/** Parameters of a view by name; null for those at their default. */
export function viewParameters({ z, place, contrast, outlines, beside }) {
  const digits = (value, most) => String(Number(value.toPrecision(most)));
  const isFull = contrast.low === 0 && contrast.high === 255;
  return {
    z: String(z),
    x: place && digits(place.x, 9),
    y: place && digits(place.y, 9),
    zoom: place && digits(place.zoom, 7),
    contrast: isFull ? null : `${contrast.low}-${contrast.high}`,
    outlines: outlines ? "1" : null,
    beside: beside || null,
  };
}

// browsers refuse more than some hundred changes of the address in half a minute
const PAUSE = 250;

export class ViewAddress {
  /** `view()` returns the view to write, as `readView` does. */
  constructor(view) {
    this.view = view;
  }

  /** Write the view into the address soon. */
  changed() {
    this.timer ??= setTimeout(() => this.write(), PAUSE);
  }

  write() {
    clearTimeout(this.timer);
    this.timer = undefined;
    const query = new URLSearchParams(location.search);
    for (const [name, value] of Object.entries(viewParameters(this.view()))) {
      if (value === null) query.delete(name);
      else query.set(name, value);
    }
    history.replaceState(null, "", `?${query}`);
  }
}
