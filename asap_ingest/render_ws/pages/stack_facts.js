// What is told about a stack, and where its JSON is.

import { count, make, plural, stackPath } from "./service.js";

const range = (low, high, unit = "") => `${count(low)} to ${count(high)}${unit}`;

function sections(zValues) {
  if (zValues.length < 2) return zValues.length ? `1 (z ${zValues[0]})` : "none";
  return `${count(zValues.length)} (z ${zValues[0]} to ${zValues.at(-1)})`;
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
    ["sections", sections(zValues)],
    ["tiles", stats && count(stats.tileCount)],
    ["x", bounds && range(bounds.minX, bounds.maxX, " px")],
    ["y", bounds && range(bounds.minY, bounds.maxY, " px")],
    ["resolution", resolution(version)],
    ["version", stack.currentVersionNumber !== undefined && String(stack.currentVersionNumber)],
    ["notes", version.versionNotes],
    ["changed", changed(stack)],
  ]));
}

/** Facts of a stack in the list, from its overview: while tiles are loaded, of its first section. */
export function stackFacts({ box, sectionCount, stack, tileCount, tilesAreMore, zRange }) {
  const span = { 0: "", 1: ` (z ${zRange?.[0]})` }[sectionCount] ?? ` (z ${zRange[0]} to ${zRange[1]})`;
  const where = stack.stats ? " px" : ` px at z ${zRange?.[0]}`;
  return definitions([
    ["sections", count(sectionCount) + span],
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
