// What is told about a stack, and where its JSON is.

import { count, make, plural, stackPath } from "./service.js";

const range = (low, high, unit = "") => `${count(low)} to ${count(high)}${unit}`;

function sections(zValues) {
  if (zValues.length < 2) return zValues.length ? `1 (z ${zValues[0]})` : "none";
  return `${count(zValues.length)} (z ${zValues[0]} to ${zValues.at(-1)})`;
}

/** [name, text] of each fact; what is not known is left out. */
function facts(stack, zValues) {
  const { stats, currentVersion: version = {} } = stack;
  const bounds = stats?.stackBounds;
  const nm = ["X", "Y", "Z"].map((axis) => version[`stackResolution${axis}`]);
  const changed = stack.lastModifiedTimestamp?.slice(0, 19).replace("T", " ");
  return [
    ["sections", sections(zValues)],
    ["tiles", stats && count(stats.tileCount)],
    ["x", bounds && range(bounds.minX, bounds.maxX, " px")],
    ["y", bounds && range(bounds.minY, bounds.maxY, " px")],
    ["resolution", nm.every(Number.isFinite) && `${nm.join(" x ")} nm`],
    ["version", stack.currentVersionNumber !== undefined && String(stack.currentVersionNumber)],
    ["notes", version.versionNotes],
    ["changed", changed && `${changed} UTC`],
  ].filter(([, text]) => text);
}

export function showFacts(list, stack, zValues) {
  list.replaceChildren(
    ...facts(stack, zValues).flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]),
  );
}

/** Links to the JSON of the stack and of the section at z. */
export function showLinks(list, stack, z) {
  const path = stackPath(stack.stackId);
  // only what answers in this state: bounds and section data come with COMPLETE
  const always = { metadata: path, "z values": `${path}/zValues`, "tile ids": `${path}/tileIds` };
  const complete = stack.stats ? { bounds: `${path}/bounds`, "section data": `${path}/sectionData` } : {};
  const layer = `${path}/z/${encodeURIComponent(z)}`;
  const section = z === undefined ? {} : {
    [`bounds of z ${z}`]: `${layer}/bounds`,
    [`tile bounds of z ${z}`]: `${layer}/tileBounds`,
    [`tile specs of z ${z}`]: `${layer}/tile-specs`,
    [`resolved tiles of z ${z}`]: `${layer}/resolvedTiles`,
  };
  list.replaceChildren(
    ...Object.entries({ ...always, ...complete, ...section })
      .map(([name, href]) => make("li", {}, make("a", { href }, name))),
  );
}

/** "12 tiles, 3,000 x 2,000 px". */
export function sectionText(tiles, box) {
  return box
    ? `${plural(tiles.length, "tile")}, ${count(box.maxX - box.minX)} x ${count(box.maxY - box.minY)} px`
    : "no tiles";
}
