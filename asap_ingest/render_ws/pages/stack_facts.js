// Facts about a stack and a section as elements or text, and links to their JSON.

import { count, make, plural, stackPath } from "./service.js";

const range = (low, high, unit = "") => `${count(low)} to ${count(high)}${unit}`;

function sections(number, first, last) {
  if (number < 2) return number ? `1 (z ${first})` : "none";
  return `${count(number)} (z ${first} to ${last})`;
}

/** "4 x 4 x 35 nm"; false where it is not known. */
function resolution(version = {}) {
  const nm = ["X", "Y", "Z"].map((axis) => version[`stackResolution${axis}`]);
  return nm.every(Number.isFinite) && `${nm.join(" x ")} nm`;
}

const changed = (stack) => stack.lastModifiedTimestamp
  && `${stack.lastModifiedTimestamp.slice(0, 19).replace("T", " ")} UTC`;

/** Elements of a definition list of [name, text]; facts that are not known are left out. */
const definitions = (facts) => facts
  .filter(([, text]) => text)
  .flatMap(([name, text]) => [make("dt", {}, name), make("dd", {}, text)]);

export function showFacts(list, stack, zValues) {
  const { stats, currentVersion: version = {} } = stack;
  const bounds = stats?.stackBounds;
  list.replaceChildren(...definitions([
    ["sections", sections(zValues.length, zValues[0], zValues.at(-1))],
    ["tiles", stats && count(stats.tileCount)],
    ["x", bounds && range(bounds.minX, bounds.maxX, " px")],
    ["y", bounds && range(bounds.minY, bounds.maxY, " px")],
    ["resolution", resolution(version)],
    ["version", stack.currentVersionNumber !== undefined && String(stack.currentVersionNumber)],
    ["notes", version.versionNotes],
    ["changed", changed(stack)],
  ]));
}

/** Facts of a stack in the list, from its overview; x and y are those of the first section until it has stats. */
export function stackFacts({ box, sectionCount, stack, tileCount, tilesAreMore, zRange }) {
  const where = stack.stats ? " px" : ` px at z ${zRange?.[0]}`;
  return definitions([
    ["sections", sections(sectionCount, ...(zRange ?? []))],
    ["tiles", count(tileCount) + (tilesAreMore ? " or more" : "")],
    ["x", box && range(box.minX, box.maxX, where)],
    ["y", box && range(box.minY, box.maxY, where)],
    ["resolution", resolution(stack.currentVersion)],
    ["changed", changed(stack)],
  ]);
}

/** Links to the JSON of the stack and of the section at z. */
export function showLinks(list, stack, z) {
  const path = stackPath(stack.stackId);
  // bounds and section data come with the stats
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
