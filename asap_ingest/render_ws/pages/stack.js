// The page of a stack: its names and facts, and the view of its sections.

import { isInstalled } from "./neuroglancer_link.js";
import { RunWatch } from "./run_watch.js";
import { SectionView } from "./section_view.js";
import { ServiceError, V1, element, getJson, make, stackPath, stacksPage } from "./service.js";
import { showFacts, showLinks } from "./stack_facts.js";

function showTrail({ owner, project }) {
  element("trail").append(
    make("a", { href: "index.html" }, "Render service"),
    make("a", { href: "stacks.html" }, "Stacks"),
    make("a", { href: stacksPage({ owner }) }, owner),
    make("a", { href: stacksPage({ owner, project }) }, project),
  );
}

function showHead(stack, zValues) {
  element("state").textContent = stack.state;
  element("state").className = `state ${stack.state}`;
  element("state").hidden = false;
  showFacts(element("facts"), stack, zValues);
  element("status").textContent = zValues.length ? "" : "This stack has no sections.";
  document.body.classList.toggle("empty", zValues.length === 0);
}

/** Other stacks of the project can be shown beside this one: raw tiles beside their mipmaps. */
async function listOthers({ owner, project, stack }) {
  const part = encodeURIComponent;
  const stackIds = await getJson(`${V1}/owner/${part(owner)}/project/${part(project)}/stackIds`);
  const others = stackIds.map((one) => one.stack).filter((name) => name !== stack).sort();
  element("beside").append(...others.map((name) => make("option", { value: name }, name)));
  element("beside").disabled = others.length === 0;
  return others;
}

/** Keep the page up to date while a run writes the stack. */
function watch(view, path) {
  const { sections } = view;
  return new RunWatch(() => ({ ...sections, path, section: view.picture.section }), {
    stackChanged: (stack, zValues) => {
      showHead(stack, zValues);
      if (zValues.length) view.reload(stack, zValues);
    },
    zChanged: (zValues) => {
      showHead(sections.stack, zValues);
      if (zValues.length) view.reload(sections.stack, zValues);
    },
    sectionChanged: () => view.reload(sections.stack, sections.zValues, view.z),
    unchanged: () => view.lookAgain(),
  });
}

async function start() {
  const query = new URLSearchParams(location.search);
  const names = Object.fromEntries(["owner", "project", "stack"].map((key) => [key, query.get(key) ?? ""]));
  document.title = `${names.stack} - stack`;
  element("name").textContent = names.stack || "No stack named";
  showTrail(names);
  if (!Object.values(names).every(Boolean)) throw new ServiceError("The address must name owner, project and stack.");
  const path = stackPath(names);
  const requests = [getJson(path), getJson(`${path}/zValues`), isInstalled()];
  const [stack, zValues, hasNeuroglancer] = await Promise.all(requests);
  showHead(stack, zValues);
  showLinks(element("links"), stack);
  element("stack").hidden = false;
  if (!zValues.length) {
    // it gets some while a run goes on
    if (stack.state === "LOADING") setTimeout(() => location.reload(), 10000);
    return;
  }
  const view = new SectionView(stack, zValues, hasNeuroglancer);
  watch(view, path);
  const [others] = await Promise.all([listOthers(names), view.go(Math.max(0, zValues.indexOf(view.initial.z)))]);
  if (others.includes(view.initial.beside)) await view.setBeside(view.initial.beside);
}

start().catch((error) => {
  if (!(error instanceof ServiceError)) throw error;
  element("status").textContent = error.message;
  element("status").className = "error";
});
