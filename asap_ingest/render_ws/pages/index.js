// The first page: owners and their projects.

import { isInstalled } from "./neuroglancer_link.js";
import { V1, element, getJson, make, plural, stacksPage } from "./service.js";

async function card(owner) {
  const stacks = await getJson(`${V1}/owner/${encodeURIComponent(owner)}/stackIds`);
  const projects = new Map();
  for (const { project } of stacks) projects.set(project, (projects.get(project) ?? 0) + 1);
  const lines = [...projects].sort(([a], [b]) => (a < b ? -1 : 1)).map(([project, number]) => {
    const link = make("a", { href: stacksPage({ owner, project }) }, project);
    return make("li", {}, link, make("span", {}, plural(number, "stack")));
  });
  const title = make("h3", {}, make("a", { href: stacksPage({ owner }) }, owner));
  return make("li", {}, title, make("ul", {}, ...lines));
}

async function start() {
  const status = element("status");
  try {
    const owners = await getJson(`${V1}/owners`);
    element("owners").append(...(await Promise.all(owners.map(card))));
    status.textContent = owners.length
      ? plural(owners.length, "owner")
      : "No stacks yet. Their owners appear here as soon as something is ingested.";
    const isThere = await isInstalled();
    element("neuroglancer").hidden = !isThere;
    element("no-neuroglancer").hidden = isThere;
  } catch (error) {
    status.textContent = error.message;
    status.className = "error";
  }
}

start();
