// The address that opens a stack in the Neuroglancer client which this service has.

import { ServiceError, getJson } from "./service.js";

const CLIENT = "neuroglancer/v/page/index.html";
const NM = 1e-9;

/** Whether the client is installed: it comes with an extra of the package. */
export async function isInstalled() {
  const features = await getJson("features.json").catch((error) => {
    if (!(error instanceof ServiceError)) throw error;
    return { neuroglancer: false };
  });
  return features.neuroglancer;
}

/** Source of a layer; a stack that is not COMPLETE has no bounds of its own and gets these. */
export function source({ owner, project, stack }, bounds) {
  const path = [owner, project, stack].map(encodeURIComponent).join("/");
  const query = bounds ? `?${new URLSearchParams(bounds)}` : "";
  return `render://${location.origin}/${path}${query}`;
}

/** Address of the client with the stack at { x, y, z, scale }, scale in world pixels per screen pixel. */
export function address(stack, place, bounds) {
  const version = stack.currentVersion ?? {};
  const nm = ["X", "Y", "Z"].map((axis) => version[`stackResolution${axis}`]);
  // Neuroglancer takes all sizes as 1 when one is unknown
  const size = nm.every(Number.isFinite) ? nm : [1, 1, 1];
  const state = {
    dimensions: Object.fromEntries(["x", "y", "z"].map((axis, i) => [axis, [size[i] * NM, "m"]])),
    position: [place.x, place.y, place.z + 0.5],
    crossSectionScale: place.scale,
    layers: [{ type: "image", name: stack.stackId.stack, source: source(stack.stackId, bounds) }],
    layout: "xy",
  };
  return `${CLIENT}#!${encodeURIComponent(JSON.stringify(state))}`;
}
