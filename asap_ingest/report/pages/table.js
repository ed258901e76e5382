// A table of any number of rows: sorted by a click on a column's head, a hundred on the page at a time.

const PAGE_ROWS = 100;

class Table {
  /**
   * columns: [{ label, value(row), node(row) or nothing, isText, isName }]; rows: any values; name: of its CSV file.
   * filters: { label: condition(row) }, the first of which holds at the start; sort: [column, descending].
   */
  constructor({ columns, rows, name, filters = {}, sort = null }) {
    Object.assign(this, { columns, rows, name, filters, sort, page: 0 });
    this.filter = Object.keys(filters)[0];
    this.body = element("tbody");
    this.heads = columns.map((column, at) =>
      element("th", { class: column.isText ? null : "number", scope: "col" },
        element("button", { type: "button", click: () => this.sortBy(at) }, column.label)));
    this.position = element("span", { role: "status" });
    this.before = element("button", { type: "button", click: () => this.turn(-1) }, "Previous");
    this.after = element("button", { type: "button", click: () => this.turn(1) }, "Next");
    const choice = element("select", { change: () => this.show({ filter: choice.value, page: 0 }) },
      ...Object.keys(filters).map((label) => element("option", {}, label)));
    this.choice = choice;
    const save = element("button", { type: "button", click: () => this.save() }, "Save CSV");
    this.element = element("div", { class: "rows" },
      element("div", { class: "bar" }, Object.keys(filters).length ? element("label", {}, "show", choice) : null,
        save, this.before, this.after, this.position),
      element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": name.replace(".csv", "") },
        element("table", {}, element("thead", {}, element("tr", {}, ...this.heads)), this.body)));
    this.show({});
  }

  sortBy(column) {
    const again = this.sort?.[0] === column;
    // numbers start with the largest, texts with the first
    this.show({ sort: [column, again ? !this.sort[1] : !this.columns[column].isText], page: 0 });
  }

  turn(pages) {
    this.show({ page: this.page + pages });
  }

  /** Rows that pass the filter, sorted; what has no value comes last. */
  chosen() {
    const rows = this.filter ? this.rows.filter(this.filters[this.filter]) : [...this.rows];
    if (!this.sort) return rows;
    const [column, descending] = this.sort;
    const { value, isText } = this.columns[column];
    const texts = new Intl.Collator("en", { numeric: true });
    const keyed = rows.map((row) => [value(row), row]);
    keyed.sort(([a], [b]) => {
      if ((a ?? null) === null || (b ?? null) === null) return ((a ?? null) === null) - ((b ?? null) === null);
      return (descending ? -1 : 1) * (isText ? texts.compare(a, b) : a - b);
    });
    return keyed.map(([, row]) => row);
  }

  show(change) {
    Object.assign(this, change);
    const rows = this.chosen();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE_ROWS));
    const first = this.page * PAGE_ROWS;
    this.body.replaceChildren(...rows.slice(first, first + PAGE_ROWS).map((row) => this.row(row)));
    this.before.disabled = this.page === 0;
    this.after.disabled = this.page === pages - 1;
    this.before.hidden = this.after.hidden = pages === 1;
    const last = Math.min(first + PAGE_ROWS, rows.length);
    this.position.textContent = pages === 1 ? counted(rows.length, "row")
      : `${(first + 1).toLocaleString("en")} to ${last.toLocaleString("en")} of ${counted(rows.length, "row")}`;
    this.heads.forEach((head, column) => {
      if (this.sort?.[0] === column) head.setAttribute("aria-sort", this.sort[1] ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    });
  }

  row(row) {
    return element("tr", {}, ...this.columns.map(({ value, node, isText, isName }) =>
      element("td", { class: isText ? (isName ? "text name" : "text") : "number" },
        node ? node(row) : isText ? (value(row) ?? "") : shown(value(row)))));
  }

  /** Save all rows that pass the filter, not only those of the page. */
  save() {
    const columns = this.columns.filter(({ value }) => value);
    saveCsv(this.name, [columns.map(({ label }) => label), ...this.chosen().map((row) => columns.map(({ value }) => value(row)))]);
  }
}
