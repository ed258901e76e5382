// The choice of stacks to list, by owner, project and search text, and its pages.

import { V1, count, getJson, make, stacksPage } from "./service.js";

const PAGE_SIZE = 24;

/** The names of all stacks, in the order in which the service lists those of an owner. */
export async function allStacks() {
  const owners = await getJson(`${V1}/owners`);
  const path = (owner) => `${V1}/owner/${encodeURIComponent(owner)}/stackIds`;
  return (await Promise.all(owners.map((owner) => getJson(path(owner))))).flat();
}

export class StackChoice {
  /** `query`: parameters of the address; render-ws names owner and project differently. */
  constructor(query, stacks) {
    this.all = stacks;
    this.search = (query.get("search") ?? "").trim();
    this.owner = query.get("owner") || query.get("renderStackOwner") || "";
    this.project = query.get("project") || query.get("renderStackProject") || "";
    this.stacks = stacks.filter((names) => this.fits(names));
    this.pageCount = Math.max(1, Math.ceil(this.stacks.length / PAGE_SIZE));
    // a page that does not exist becomes the nearest one
    this.page = Math.min(Math.max(Number.parseInt(query.get("page"), 10) || 1, 1), this.pageCount);
    this.first = (this.page - 1) * PAGE_SIZE;
    this.shown = this.stacks.slice(this.first, this.first + PAGE_SIZE);
  }

  /** Whether a stack is selected: each word of the search is part of one of its names, ignoring case. */
  fits({ owner, project, stack }) {
    const names = `${owner} ${project} ${stack}`.toLowerCase();
    return ["", owner].includes(this.owner) && ["", project].includes(this.project)
      && this.search.toLowerCase().split(/\s+/).every((word) => names.includes(word));
  }
}

function fillSelect(select, values, chosen) {
  const others = [...new Set([...values, chosen])].filter(Boolean).sort();
  select.append(...others.map((value) => make("option", { value }, value)));
  select.value = chosen;
}

/** Show the choice in the form that changes it. */
export function fillForm(form, choice) {
  const ofOwner = choice.all.filter(({ owner }) => ["", owner].includes(choice.owner));
  form.elements.search.value = choice.search;
  fillSelect(form.elements.owner, choice.all.map(({ owner }) => owner), choice.owner);
  fillSelect(form.elements.project, ofOwner.map(({ project }) => project), choice.project);
  form.hidden = choice.all.length === 0;
}

function pageLink(choice, page, name, rel) {
  if (page < 1 || page > choice.pageCount) return make("span", { class: "button", "aria-disabled": "true" }, name);
  const { search, owner, project } = choice;
  const given = Object.entries({ search, owner, project, page }).filter(([, value]) => value);
  return make("a", { class: "button", rel, href: stacksPage(given) }, name);
}

/** Links to the previous and next page, with the position of this one; none if there is only one. */
export function pageLinks(choice) {
  if (choice.pageCount === 1) return [];
  const { first, page, pageCount, shown, stacks } = choice;
  const position = `${count(first + 1)} to ${count(first + shown.length)} of ${count(stacks.length)}, `
    + `page ${count(page)} of ${count(pageCount)}`;
  const links = [pageLink(choice, page - 1, "Previous", "prev"), make("span", {}, position),
    pageLink(choice, page + 1, "Next", "next")];
  return [make("nav", { class: "paging", "aria-label": "Pages of the list" }, ...links)];
}
