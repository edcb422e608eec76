// A long table: rows are made for the visible part only. Sortable, usable with the keyboard.

const OVERSCAN = 8;
const PRINTED_ROWS = 200;

// columns: {key, title, numeric, minor, narrow, width, value(row), rank(row), show(row)}. On a phone
// minor columns are left out and narrow ones take little room.
// `value` goes into CSV, `rank` (a number) is sorted by, `show` gives a node or a text; the latter two
// are `value` if left out.
class LongTable {
  constructor({ label, columns, address, sort }) {
    Object.assign(this, { label, columns, address });
    this.sort = sort ?? null;
    this.rows = new Int32Array(0);
    this.active = 0;
    this.build();
  }

  build() {
    this.headings = this.columns.map((column) => this.heading(column));
    this.above = h("td");
    this.below = h("td");
    this.body = h("tbody");
    const columns = this.columns.map((column) => h("col", { class: column.minor ? "minor" : column.narrow ? "narrow" : null }));
    columns.forEach((column, index) => { column.style.width = this.columns[index].width ?? ""; });
    this.table = h("table", { class: "list", "aria-label": this.label },
      h("colgroup", {}, columns), h("thead", {}, h("tr", {}, this.headings)),
      h("tbody", { "aria-hidden": "true" }, h("tr", { class: "spacer" }, this.above)), this.body,
      h("tbody", { "aria-hidden": "true" }, h("tr", { class: "spacer" }, this.below)));
    this.scroller = h("div", {
      class: "scroll long", tabindex: "0", role: "region", "aria-label": this.label,
      on: { scroll: () => this.paintSoon(), keydown: (event) => this.key(event) },
    }, this.table);
    this.empty = h("p", { class: "empty", hidden: true }, "Nothing matches.");
    this.printed = h("p", { class: "printed" });
    this.element = h("div", { class: "long-table" }, this.scroller, this.empty, this.printed);
    new ResizeObserver(() => this.paintSoon()).observe(this.scroller);
    window.addEventListener("beforeprint", () => { this.printing = true; this.paint(); });
    window.addEventListener("afterprint", () => { this.printing = false; this.paint(); });
  }

  classOf(column) {
    return [column.numeric ? "number" : "", column.minor ? "minor" : ""].join(" ").trim() || null;
  }

  heading(column) {
    const click = () => {
      const down = this.sort?.key === column.key ? !this.sort.down : Boolean(column.numeric);
      this.sortBy({ key: column.key, down });
    };
    return h("th", { scope: "col", class: this.classOf(column) }, button(column.title, click, { class: "sort" }));
  }

  // ---- Rows and order ----

  setRows(rows, sort = this.sort) {
    this.unsorted = rows;
    this.sortBy(sort);
  }

  sortBy(sort) {
    this.sort = sort;
    const column = sort && this.columns.find(({ key }) => key === sort.key);
    this.rows = this.unsorted.slice();
    if (column) sortRows(this.rows, column, sort.down);
    this.columns.forEach(({ key }, index) => {
      const state = sort?.key === key ? (sort.down ? "descending" : "ascending") : null;
      if (state) this.headings[index].setAttribute("aria-sort", state);
      else this.headings[index].removeAttribute("aria-sort");
    });
    this.active = 0;
    this.scroller.scrollTop = 0;
    this.table.setAttribute("aria-rowcount", this.rows.length + 1);
    this.printed.textContent = this.rows.length > PRINTED_ROWS
      ? `The first ${PRINTED_ROWS} of ${plural(this.rows.length, "row", "rows")} are printed; the CSV has all.` : "";
    this.empty.hidden = this.rows.length > 0;
    this.scroller.hidden = this.rows.length === 0;
    this.paint();
  }

  csv() {
    return [...this.rows].map((row) => this.columns.map(({ value }) => value(row)));
  }

  // ---- Painting ----

  paintSoon() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => { this.waiting = null; this.paint(true); });
  }

  paint(onlyIfMoved = false) {
    const height = parseFloat(getComputedStyle(this.scroller).getPropertyValue("--row")) || 40;
    const shown = Math.ceil((this.scroller.clientHeight || 600) / height) + 2 * OVERSCAN;
    let first = Math.max(0, Math.floor(this.scroller.scrollTop / height) - OVERSCAN);
    let end = Math.min(this.rows.length, first + shown);
    if (this.printing) [first, end] = [0, Math.min(this.rows.length, PRINTED_ROWS)];
    if (onlyIfMoved && first === this.first && end === this.end) return;
    Object.assign(this, { first, end, height });
    const focused = this.body.contains(document.activeElement);
    this.body.replaceChildren(...Array.from({ length: end - first }, (_, index) => this.line(first + index)));
    this.above.style.height = `${this.printing ? 0 : first * height}px`;
    this.below.style.height = `${this.printing ? 0 : (this.rows.length - end) * height}px`;
    if (focused) (this.body.querySelector('[tabindex="0"]') ?? this.scroller).focus({ preventScroll: true });
  }

  line(index) {
    const row = this.rows[index];
    const address = this.address(row);
    const cells = this.columns.map((column, at) => {
      const content = (column.show ?? column.value)(row);
      if (at > 0) return h("td", { class: this.classOf(column) }, content);
      const link = h("a", { href: address, tabindex: index === this.active ? "0" : "-1" }, content);
      return h("th", { scope: "row", class: this.classOf(column) }, link);
    });
    const open = (event) => {
      if (!event.target.closest("a") && !getSelection().toString()) location.hash = address;
    };
    return h("tr", { "aria-rowindex": index + 2, on: { click: open } }, cells);
  }

  // ---- Keyboard ----

  key(event) {
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const step = steps[event.key];
    if (step === undefined || event.target.closest("thead")) return;
    event.preventDefault();
    const starts = event.target === this.scroller && Math.abs(step) === 1;
    const next = starts ? this.active : this.active + step;
    this.active = Math.max(0, Math.min(this.rows.length - 1, next));
    const head = this.table.tHead.offsetHeight;
    const top = this.active * this.height;
    const room = this.scroller.clientHeight - head - this.height;
    this.scroller.scrollTop = Math.max(top - room, Math.min(top, this.scroller.scrollTop));
    this.paint();
    this.body.querySelector('[tabindex="0"]')?.focus({ preventScroll: true });
  }
}

// Sorts rows by the numbers of a column's `rank`, else of its `value`; equal ones keep their order,
// unknown numbers come last.
function sortRows(rows, column, down) {
  const number = column.rank ?? column.value;
  const keys = Float64Array.from(rows, number);
  const order = Uint32Array.from(rows.keys());
  const sign = down ? -1 : 1;
  order.sort((a, b) => {
    const difference = keys[a] - keys[b];
    if (Number.isNaN(difference)) return Number.isNaN(keys[a]) - Number.isNaN(keys[b]) || a - b;
    return sign * difference || a - b;
  });
  rows.set(order.map((index) => rows[index]));
}

// For each of a list of texts its place in natural order ("item-9" before "item-10").
function naturalRanks(texts) {
  const collator = new Intl.Collator("en", { numeric: true });
  const order = Uint32Array.from(texts.keys()).sort((a, b) => collator.compare(texts[a], texts[b]));
  const ranks = new Uint32Array(texts.length);
  order.forEach((index, place) => { ranks[index] = place; });
  return ranks;
}

// ---- Columns that several tables have ----

// The item of a row; `itemOf` gives it.
function itemColumn(data, title, itemOf, show) {
  return {
    key: "id", title,
    value: (row) => data.items.id[itemOf(row)],
    rank: (row) => data.idRank(itemOf(row)),
    show: show ?? ((row) => data.nameOf(itemOf(row))),
  };
}

// How often examples harmed and helped; `count(name)` gives a function from a row to a number.
function effectColumns(data, count) {
  if (!data.knowsEffect) return [];
  const column = (key, title, mark, more) => ({
    key, title, numeric: true, width: "6rem", ...more,
    value: count(key),
    show: (row) => {
      const number = count(key)(row);
      return number ? h("span", { class: key }, `${mark} ${whole(number)}`) : h("span", { class: "zero" }, "0");
    },
  });
  return [column("harmed", "Harmed", "▼", { narrow: true }), column("helped", "Helped", "▲", { minor: true })];
}
