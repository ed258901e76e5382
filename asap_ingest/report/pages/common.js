// What both pages are made of: the facts, elements, numbers, files to save.

const facts = JSON.parse(document.getElementById("facts").textContent);

/** An element; attributes that are functions are listeners, children are nodes or texts. */
function element(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "text", "circle", "rect"].includes(tag);
  const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== undefined && value !== null && value !== false) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child ?? false));
  return made;
}

function card(title, ...content) {
  return element("section", {}, element("h2", {}, title), ...content);
}

/** A name that lines can break at underscores. */
const breakable = (name) => name.split(/(?<=_)/).flatMap((part, at) => (at ? [element("wbr"), part] : [part]));

/** Four digits, or all before the point. */
function shown(value) {
  if (value === null || value === undefined) return "";
  const text = Math.abs(value) >= 1000 ? Math.round(value) : Number(value.toPrecision(4));
  return text.toLocaleString("en", { maximumSignificantDigits: 21 });
}

function counted(count, what) {
  return `${count.toLocaleString("en")} ${what}${count === 1 ? "" : "s"}`;
}

/** Save rows of values as a CSV file (RFC 4180). */
function saveCsv(name, rows) {
  const cell = (value) => {
    // a spreadsheet must not run a name as a formula
    const text = typeof value === "string" ? value.replace(/^[=+@-]/, "'$&") : String(value ?? "");
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const text = rows.map((row) => `${row.map(cell).join(",")}\r\n`).join("");
  const link = element("a", { href: URL.createObjectURL(new Blob([text], { type: "text/csv" })), download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Call when the page gets other colours. */
function onScheme(draw) {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
}
