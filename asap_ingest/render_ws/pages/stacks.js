// The page that lists stacks by owner and project, each with a picture.

import { stackCard } from "./stack_card.js";
import { StackChoice, allStacks, fillForm, pageLinks } from "./stack_choice.js";
import { count, element, getJson, make, plural } from "./service.js";

/** What is shown of a stack; one that cannot be shown leaves the others, and says why. */
function overview(names) {
  const path = [names.owner, names.project, names.stack].map(encodeURIComponent).join("/");
  return getJson(`overview/${path}`).catch(({ message }) =>
    ({ stack: { stackId: names, state: "UNKNOWN" }, tileCount: 0, sectionCount: 0, problem: message }));
}

/** A heading for each owner and project, and its stacks. */
function sections(overviews) {
  const groups = new Map();
  for (const shown of overviews) {
    const { owner, project } = shown.stack.stackId;
    const key = JSON.stringify([owner, project]);
    if (!groups.has(key)) groups.set(key, { owner, project, cards: [] });
    groups.get(key).cards.push(stackCard(shown));
  }
  return [...groups.values()].map(({ owner, project, cards }) => make("section", {},
    make("h2", {}, owner, " ", make("small", {}, "/"), " ", project), make("div", { class: "stacks" }, ...cards)));
}

function total({ all, stacks }) {
  const text = plural(all.length, "stack");
  return all.length === stacks.length ? text : `${count(stacks.length)} of ${text}`;
}

async function start() {
  const choice = new StackChoice(new URLSearchParams(location.search), await allStacks());
  fillForm(element("filter"), choice);
  const overviews = await Promise.all(choice.shown.map(overview));
  const none = choice.all.length
    ? "No stack of that owner, project and search text."
    : "No stacks yet. They appear here as soon as something is ingested.";
  const list = overviews.length ? sections(overviews) : [make("p", {}, none)];
  element("stacks").append(...list, ...pageLinks(choice));
  element("status").textContent = `${total(choice)} in this render service`;
}

start().catch((error) => {
  const status = element("status");
  status.textContent = error.message;
  status.className = "error";
});
