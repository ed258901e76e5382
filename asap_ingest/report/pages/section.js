// The page of a section: its contact sheet, heat maps, table of tiles, and what was found over all of them.

const { ids, boxes, rasters, values, failures, measures, labels } = facts;
const tiles = ids.map((_, index) => index);
const middle = (index) => [(boxes[index][0] + boxes[index][2]) / 2, (boxes[index][1] + boxes[index][3]) / 2];
const isPlaced = (index) => boxes[index].every((edge) => edge !== null) && boxes[index][0] <= boxes[index][2] && boxes[index][1] <= boxes[index][3];
const outliersOf = new Map();
for (const { name, deviations } of measures) {
  for (const index of Object.keys(deviations)) {
    outliersOf.set(Number(index), [...(outliersOf.get(Number(index)) ?? []), name]);
  }
}
const isFailed = (index) => index in failures;
const label = (name) => labels[name] ?? name;
const main = document.querySelector("main");
const maps = [];

/** `focus 0.1, 9.4 deviations below the median 0.3`. */
function finding(index, name) {
  const by = measures.find((measure) => measure.name === name);
  const many = by.deviations[index];
  const side = many > 0 ? "above" : "below";
  return `${label(name)} ${shown(values[name][index])}, ${Math.abs(many).toFixed(1)} deviations ${side} the median ${shown(by.median)}`;
}

function viewLink(index) {
  if (!facts.view || !isPlaced(index)) return null;
  const [x, y] = middle(index).map((value) => Number(value.toPrecision(9)));
  const [left, top, right, bottom] = boxes[index];
  const zoom = Number((600 / Math.max(right - left, bottom - top, 1)).toPrecision(4));
  const query = new URLSearchParams({ z: facts.z, x, y, zoom });
  return element("a", { href: `${facts.view}&${query}` }, "view");
}

/** Select a tile everywhere. */
function choose(index) {
  for (const map of maps) map.mark(index);
  const notes = [failures[index], ...(outliersOf.get(index) ?? []).map((name) => finding(index, name))].filter(Boolean);
  const place = rasters[index] ? `column ${rasters[index][0]}, row ${rasters[index][1]}` : "";
  const figures = Object.keys(values).filter((name) => values[name][index] !== null)
    .map((name) => `${name.replace("_", " ")} ${shown(values[name][index])}`);
  for (const about of document.querySelectorAll(".tile")) {
    const link = viewLink(index);
    about.replaceChildren(element("b", {}, ...breakable(ids[index])), " ", [place, ...figures].filter(Boolean).join(" · "), " ", ...(link ? [link] : []),
      ...notes.map((note) => element("p", { class: isFailed(index) ? "bad" : "odd" }, note)));
  }
}

const tileDetails = () =>
  element("div", { class: "tile", "aria-live": "polite" }, element("p", {}, "Choose a tile: its name and figures stand here."));

/** Outliers, then failed tiles: these lie on top. */
function outlineFound(context, onCanvas, rectangles, ink) {
  const of = (indices) => indices.filter((index) => rectangles[index]).map((index) => onCanvas(rectangles[index]));
  // small tiles keep their colour
  const width = Math.min(2.5, Math.max(0.5, (of([0])[0]?.[2] ?? 100) / 8));
  outline(context, of([...outliersOf.keys()].filter((index) => !isFailed(index))), ink("odd"), { dash: [5, 3], width });
  outline(context, of(Object.keys(failures)), ink("bad"), { hatched: true, width });
}

function legend(...more) {
  const keys = [Object.keys(failures).length && ["bad", "failed"], outliersOf.size && ["odd", "outlier"]].filter(Boolean);
  return element("div", { class: "legend" }, ...keys.map(([kind, text]) => element("span", { class: `key ${kind}` }, text)), ...more);
}

function summary() {
  const parts = [["", counted(ids.length, "tile")], ...[["failed", facts.failed, "bad"], ["missing", facts.missing, "bad"]]
    .map(([word, count, kind]) => [count ? kind : "good", `${count ? count.toLocaleString("en") : "none"} ${word}`]),
  [facts.outliers ? "odd" : "good", facts.outliers ? counted(facts.outliers, "outlier") : "no outliers"]];
  document.getElementById("summary").append(
    ...parts.flatMap(([kind, text], at) => [at ? " · " : "", element("b", { class: kind }, text)]));
}

/** A tile's rectangle on the contact sheet; null without a position. */
function onSheet(index) {
  if (!isPlaced(index)) return null;
  const [left, top, right, bottom] = boxes[index];
  const { left: x, top: y, scale } = facts.sheet;
  return [(left - x) * scale, (top - y) * scale, (right - left) * scale, (bottom - top) * scale];
}

function sheet() {
  const section = document.getElementById("sheet");
  const layout = facts.sheet;
  if (!layout) {
    section.replaceChildren(element("p", {}, "No tile of this section can be placed: there is nothing to show."));
    return;
  }
  const rectangles = tiles.map(onSheet);
  const picture = section.querySelector("img");
  const seen = rectangles.filter((rectangle, index) => rectangle && (values.mean?.[index] ?? null) !== null);
  const map = new TileMap({
    frame: section.querySelector(".picture"), rectangles, size: [layout.width, layout.height], tallest: 1200, choose,
    label: "contact sheet of the section",
    paint: (context, onCanvas, ink) => {
      if (picture.complete && picture.naturalWidth) pictureOfTiles(context, picture, seen.map(onCanvas), ink("line"));
      outlineFound(context, onCanvas, rectangles, ink);
    },
  });
  picture.hidden = true;
  picture.decode().then(() => map.draw(), () => {});
  maps.push(map);
  section.append(legend(element("span", {}, `Tiles lie at their stage positions; 1 pixel here is ${shown(1 / layout.scale)} of level 0.`)), tileDetails());
}

/** Rectangles by raster position, or by the stage where tiles have none. */
function rasterLayout() {
  const places = [...rasters.filter(Boolean), ...facts.missingRasters];
  const of = (axis, pick) => places.reduce((best, raster) => pick(best, raster[axis]), places[0]?.[axis]);
  const [left, top] = [of(0, Math.min), of(1, Math.min)];
  const size = [of(0, Math.max) - left + 1, of(1, Math.max) - top + 1];
  if (rasters.every((raster) => !raster) || size[0] * size[1] > 50 * ids.length + 1000) {
    if (!facts.sheet) return null;
    return { size: [facts.sheet.width, facts.sheet.height], rectangles: tiles.map(onSheet), gaps: [] };
  }
  const cell = (raster) => raster && [raster[0] - left, raster[1] - top, 1, 1];
  return { size, rectangles: rasters.map(cell), gaps: facts.missingRasters.map(cell) };
}

function heatMap() {
  const layout = rasterLayout();
  if (!layout || !measures.length) return null;
  const { size, rectangles, gaps } = layout;
  const bar = element("div", { class: "legend" });
  const frame = element("div", { class: "picture", id: "heat" });
  const map = new TileMap({ frame, rectangles, size, tallest: 620, choose, label: "heat map over the raster", paint });
  const choice = element("select", { id: "measure", change: () => show() },
    ...measures.map(({ name }) => element("option", { value: name }, label(name))));
  choice.value = measures.find(({ name }) => name === "focus")?.name ?? measures[0].name;

  /** What is darkest and brightest: outliers do not take the colours from the others. */
  function range() {
    const { name, limits } = measures.find((measure) => measure.name === choice.value);
    const usual = values[name].filter((value) => value !== null && (!limits || (value >= limits[0] && value <= limits[1])));
    return usual.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
  }
  function paint(context, onCanvas, ink) {
    const [low, high] = range();
    const of = values[choice.value];
    const nothing = ink("line");
    rectangles.forEach((rectangle, index) => {
      if (!rectangle) return;
      const [x, y, width, height] = onCanvas(rectangle);
      context.fillStyle = of[index] === null ? nothing : colour((of[index] - low) / (high - low || 1));
      context.fillRect(x, y, Math.max(width - (width > 6), 1), Math.max(height - (height > 6), 1));
    });
    outline(context, gaps.map(onCanvas), ink("control"), { hatched: true, width: 1 });
    outlineFound(context, onCanvas, rectangles, ink);
  }
  function show() {
    bar.replaceChildren(...colourBar(...range()), ...(gaps.length ? [element("span", { class: "key gap" }, `${counted(gaps.length, "position")} without a tile`)] : []));
    map.draw();
  }
  show();
  maps.push(map);
  return card("Heat map", element("div", { class: "bar" }, element("label", {}, "measure", choice)), frame, bar, tileDetails());
}

function tileTable() {
  const name = (index) => element("button", { type: "button", class: "plain", click: () => goTo(index) }, ...breakable(ids[index]));
  const state = (index) => [isFailed(index) ? `failed: ${failures[index]}` : null, ...(outliersOf.get(index) ?? []).map((of) => `outlier: ${of}`)]
    .filter(Boolean).join("; ");
  const columns = [
    { label: "tile", value: (index) => ids[index], node: name, isText: true, isName: true },
    { label: "column", value: (index) => rasters[index]?.[0] ?? null },
    { label: "row", value: (index) => rasters[index]?.[1] ?? null },
    ...measures.map(({ name: of }) => ({ label: of.replace("_", " "), value: (index) => values[of][index] })),
    { label: "state", value: state, isText: true },
  ];
  if (facts.view) columns.push({ label: "view", node: (index) => viewLink(index) ?? "", isText: true });
  const filters = { "all tiles": () => true, "failed and outliers": (index) => isFailed(index) || outliersOf.has(index),
    failed: isFailed, outliers: (index) => outliersOf.has(index) };
  return card("Tiles", new Table({ columns, rows: tiles, filters, name: `tiles_${facts.z}.csv` }).element);
}

function goTo(index) {
  choose(index);
  const { canvas } = maps[0] ?? {};
  canvas?.scrollIntoView({ block: "center" });
  canvas?.focus({ preventScroll: true });
}

function measureTable() {
  const rows = measures.map((by) => element("tr", {}, ...[label(by.name), counted(by.count, "tile"), shown(by.median),
    by.limits ? `${shown(by.limits[0])} to ${shown(by.limits[1])}` : "no limits", String(Object.keys(by.deviations).length)]
    .map((text, at) => element("td", { class: at ? "number" : "text" }, text))));
  const heads = ["measure", "of", "median", "usual", "outliers"].map((text, at) => element("th", { class: at ? "number" : null }, text));
  return card("Measures", element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "measures" },
    element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows))), element("p", {}, facts.rule));
}

function greyValues() {
  if (!facts.histogram) return card("Grey values", element("p", {}, "No picture of a tile could be read."));
  const { first, width, counts, shown: limits } = facts.histogram;
  const [last, height] = [first + counts.length * width - 1, 150];
  // a peak at an end (black or saturated pixels) is cut off: its share stands in the text below
  const most = Math.max(...counts.slice(1, -1)) || Math.max(...counts);
  const steps = counts.map((count, at) => `V${(height - Math.min(count / most, 1) * height).toFixed(1)}H${(((at + 1) * WIDTH) / counts.length).toFixed(1)}`);
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) =>
    element("text", { x: part * WIDTH, y: height + 16, "text-anchor": "middle" }, Math.round(first + part * (last - first)).toLocaleString("en")));
  const all = counts.reduce((sum, count) => sum + count, 0);
  const share = (count) => `${Number(((100 * count) / all).toPrecision(2))}%`;
  const contrast = limits[0] === 0 && limits[1] === 255 ? "" : ` The sheet shows ${limits[0].toLocaleString("en")} as black and ${limits[1].toLocaleString("en")} as white.`;
  return card("Grey values",
    element("svg", { viewBox: `-24 -4 ${WIDTH + 48} ${height + 26}`, role: "img", "aria-label": "histogram of grey values" },
      element("path", { class: "bars", d: `M0 ${height}${steps.join("")}V${height}Z` }), element("path", { class: "axis", d: `M0 ${height}H${WIDTH}` }), ...ticks),
    element("p", {}, `${share(counts[0])} of the pixels at ${first.toLocaleString("en")}, ${share(counts.at(-1))} at ${last.toLocaleString("en")}.${contrast}`));
}

function throughput() {
  const rows = Object.entries(facts.throughput).flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]);
  return card("Throughput", rows.length ? element("dl", {}, ...rows) : element("p", {}, "Not measured."));
}

function illumination() {
  const grid = facts.shading;
  if (!grid) return null;
  const side = grid.length;
  const [low, high] = grid.flat().reduce(([least, most], value) => [Math.min(least, value), Math.max(most, value)], [Infinity, -Infinity]);
  const canvas = element("canvas", { width: side, height: side, role: "img", "aria-label": "median brightness over a tile" });
  canvas.style.imageRendering = "pixelated";
  const context = canvas.getContext("2d");
  grid.forEach((row, y) => row.forEach((value, x) => {
    context.fillStyle = colour((value - low) / (high - low || 1));
    context.fillRect(x, y, 1, 1);
  }));
  const mean = (numbers) => numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
  const profiles = [grid[0].map((_, x) => mean(grid.map((row) => row[x]))), grid.map(mean)];
  const height = axis(Math.min(...profiles.flat()), Math.max(...profiles.flat()), 120);
  const lines = profiles.map((profile, at) => element("path", { class: at ? "line second" : "line",
    d: pathThrough(profile.map((value, n) => [((n + 0.5) / side) * WIDTH, 120 - height(value)])) }));
  const frame = element("div", { class: "picture" }, canvas);
  frame.style.aspectRatio = 1;
  frame.style.maxWidth = "14rem";
  return card("Illumination", frame, element("div", { class: "legend" }, ...colourBar(low, high)),
    element("svg", { viewBox: `0 0 ${WIDTH} 122`, role: "img", "aria-label": "profiles of the illumination" }, element("path", { class: "axis", d: `M0 121H${WIDTH}` }), ...lines),
    element("p", {}, "Median over all tiles of the brightness at a place, as a part of the tile's mean. Profiles: from left to right as a solid line, from top to bottom dashed."));
}

function overlaps() {
  const pairs = [...facts.shifts, ...facts.unlike.map(([first, second]) => [first, second, null, null, null])];
  if (!pairs.length) return null;
  const length = ([, , x, y]) => (x === null ? null : Math.hypot(x, y));
  const tile = (at) => ({ value: (pair) => ids[pair[at]], isText: true, isName: true,
    node: (pair) => element("button", { type: "button", class: "plain", click: () => goTo(pair[at]) }, ...breakable(ids[pair[at]])) });
  const columns = [{ label: "tile", ...tile(0) }, { label: "neighbour", ...tile(1) }, { label: "shift, px", value: length },
    { label: "in x", value: (pair) => pair[2] }, { label: "in y", value: (pair) => pair[3] }, { label: "correlation", value: (pair) => pair[4] }];
  const lengths = facts.shifts.map(length).sort((a, b) => a - b);
  const text = lengths.length ? `${counted(lengths.length, "overlap")}: the median shift is ${shown(lengths[Math.floor(lengths.length / 2)])} pixels of level 0, the largest ${shown(lengths.at(-1))}.` : "";
  const unlike = facts.unlike.length ? ` In ${counted(facts.unlike.length, "overlap")} the two tiles do not show the same (correlation below ${facts.leastCorrelation}).` : "";
  return card("Overlaps", element("p", {}, `How far neighbouring tiles' pictures of their overlap lie apart, by phase correlation. ${text}${unlike}`),
    new Table({ columns, rows: pairs, name: `overlaps_${facts.z}.csv`, sort: [2, true],
      filters: { "all overlaps": () => true, "not the same": (pair) => pair[2] === null } }).element);
}

function missing() {
  if (!facts.missing) return null;
  const most = 200;
  const texts = facts.missingRasters.slice(0, most).map(([column, row]) => `column ${column}, row ${row}`);
  if (facts.missing > most) texts.push(`and ${(facts.missing - most).toLocaleString("en")} more`);
  return card("Missing tiles", element("p", {}, "Raster positions that the metafile has, or that lie between tiles of their row or column:"),
    element("p", {}, texts.join("; ")));
}

summary();
sheet();
main.append(...[heatMap(), tileTable(), missing(), measureTable(),
  element("div", { class: "pair" }, ...[greyValues(), illumination()].filter(Boolean)), overlaps(), throughput()].filter(Boolean));
document.body.dataset.ready = "yes";
