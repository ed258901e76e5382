// The page of all sections: trends over z, and a table that leads to the sections' pages.

const { sections, labels, measures } = facts;
const main = document.querySelector("main");
const value = (section, name) => (name in section ? section[name] : section.medians[name]) ?? null;
const limitsOf = new Map(measures.map((by) => [by.name, by]));
const names = [...Object.keys(labels).filter((name) => limitsOf.has(name)), "failed", "missing", "outliers", "seconds"];
const titles = { ...labels, failed: "failed tiles", missing: "missing tiles", outliers: "outliers", seconds: "workers' seconds" };
const when = (section) => new Date(section.time * 1000).toLocaleString([], { dateStyle: "short", timeStyle: "short" });

class Trend {
  constructor(name) {
    const [height, zs] = [130, sections.map(({ z }) => z)];
    this.name = name;
    this.x = axis(zs[0], zs.at(-1), WIDTH);
    const numbers = sections.map((section) => value(section, name));
    const { limits = null, out = [] } = limitsOf.get(name) ?? {};
    const all = numbers.filter((number) => number !== null).concat(limits ?? []);
    const up = axis(Math.min(...all), Math.max(...all), height);
    this.at = sections.map(({ z }, index) => [this.x(z), numbers[index] === null ? null : height - up(numbers[index])]);
    this.cursor = element("circle", { class: "cursor", r: 6, visibility: "hidden" });
    const dots = sections.length > 60 ? out : sections.keys();
    this.svg = element("svg", {
      viewBox: `-4 -6 ${WIDTH + 8} ${height + 26}`, tabindex: 0, role: "img",
      "aria-label": `${titles[name]} over z; left and right go from section to section, Enter opens one`,
      pointermove: (event) => this.point(event), click: (event) => { this.point(event); this.open(); }, keydown: (event) => this.key(event),
    },
    limits && element("rect", { class: "usual", x: 0, width: WIDTH, y: height - up(limits[1]), height: up(limits[1]) - up(limits[0]) }),
    element("path", { class: "axis", d: `M0 ${height}H${WIDTH}` }), element("path", { class: "line", d: pathThrough(this.at) }),
    ...[...dots].filter((index) => this.at[index][1] !== null).map((index) =>
      element("circle", { class: out.includes(index) ? "out" : "bars", r: out.includes(index) ? 5 : 2.5, cx: this.at[index][0], cy: this.at[index][1] })),
    this.cursor,
    ...(all.length ? [[Math.max(...all), 8], [Math.min(...all), height - 4]] : [])
      .map(([number, y]) => element("text", { x: 2, y }, shown(number))),
    element("text", { x: this.x(zs[0]), y: height + 15, "text-anchor": "start" }, `z ${shown(zs[0])}`),
    element("text", { x: this.x(zs.at(-1)), y: height + 15, "text-anchor": "end" }, zs.length > 1 ? shown(zs.at(-1)) : ""));
    this.text = element("p", { "aria-live": "polite" }, this.usual());
    this.element = element("section", {}, element("h2", {}, titles[name]), this.text, this.svg);
  }

  usual() {
    const by = limitsOf.get(this.name);
    if (!by) return `${shown(sections.reduce((sum, section) => sum + (value(section, this.name) ?? 0), 0))} in all`;
    return `median ${shown(by.median)}${by.limits ? `, usual ${shown(by.limits[0])} to ${shown(by.limits[1])}` : ""}`;
  }

  point(event) {
    const box = this.svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * (WIDTH + 8) - 4;
    this.mark(this.at.reduce((best, at, index) => (Math.abs(at[0] - x) < Math.abs(this.at[best][0] - x) ? index : best), 0));
  }

  mark(index) {
    this.marked = index;
    const [x, y] = this.at[index];
    for (const [name, set] of Object.entries({ cx: x, cy: y ?? 0, visibility: y === null ? "hidden" : "visible" })) this.cursor.setAttribute(name, set);
    this.text.textContent = `z ${sections[index].z}: ${shown(value(sections[index], this.name)) || "no value"}`;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (event.key === "Enter") this.open();
    if (!step) return;
    event.preventDefault();
    const next = this.marked === undefined ? (step > 0 ? 0 : sections.length - 1) : this.marked + step;
    this.mark(Math.min(Math.max(next, 0), sections.length - 1));
  }

  open() {
    if (this.marked !== undefined) location.href = encodeURIComponent(sections[this.marked].page);
  }
}

const link = (section) => element("a", { href: encodeURIComponent(section.page) }, String(section.z));

/** Sections with failures or missing tiles, and those whose medians are unusual. */
function unusual() {
  const notes = new Map();
  const note = (index, text) => notes.set(index, [...(notes.get(index) ?? []), text]);
  sections.forEach((section, index) => {
    for (const word of ["failed", "missing"]) if (section[word]) note(index, `${counted(section[word], "tile")} ${word}`);
  });
  for (const { name, out, median } of measures) {
    for (const index of out) note(index, `${labels[name]} ${shown(value(sections[index], name))}, median of the sections ${shown(median)}`);
  }
  const most = 30;
  const list = [...notes].sort(([a], [b]) => b - a).slice(0, most)
    .map(([index, texts]) => element("li", {}, "z ", link(sections[index]), `: ${texts.join("; ")}`));
  if (notes.size > most) list.push(element("li", {}, `and ${(notes.size - most).toLocaleString("en")} more; the table can be sorted`));
  return card("What stands out", list.length ? element("ul", {}, ...list) : element("p", {}, "Nothing: no tile failed or is missing, and all medians are usual."));
}

function table() {
  const columns = [
    { label: "z", value: ({ z }) => z, node: link },
    { label: "stack", value: ({ stack }) => stack, isText: true },
    { label: "tiles", value: ({ tiles }) => tiles },
    ...["failed", "missing", "outliers", ...names.filter((name) => name in labels), "seconds"]
      .map((name) => ({ label: name.replace("_", " "), value: (section) => value(section, name) })),
    { label: "reported", value: ({ time }) => time, node: when },
  ];
  return card("Sections", new Table({ columns, rows: sections, sort: [0, true], name: "sections.csv",
    filters: { "all sections": () => true, "with failed or missing tiles": ({ failed, missing }) => failed || missing } }).element);
}

const last = sections.reduce((latest, section) => (section.time > (latest?.time ?? -1) ? section : latest), null);
const summary = document.getElementById("summary");
if (last) {
  const total = (name) => sections.reduce((sum, section) => sum + section[name], 0);
  summary.append(`${counted(sections.length, "section")} · ${counted(total("tiles"), "tile")} · ${counted(total("failed"), "failure")} · last report: z `, link(last), `, ${when(last)}`);
  main.append(unusual(), element("div", { class: "trends" }, ...names.map((name) => new Trend(name).element)), table());
} else summary.append("There are no sections yet.");
document.body.dataset.ready = "yes";
