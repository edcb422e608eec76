// The life of a strategy: from which item it was written, to whom it was shown, whether it helped.

class StrategiesView {
  constructor(section, data) {
    this.data = data;
    this.variants = data.variants.filter((variant) => variant.learns || this.usesExamples(variant));
    this.section = section;
    if (this.variants.length === 0) {
      section.append(h("p", { class: "hint" }, "No arm of this run shows examples."));
      return;
    }
    this.variant = this.variants[0];
    this.order = data.meta.cells[this.variant.cells[0]].order;
    this.table = new LongTable({
      label: "Strategies", columns: this.columns(), address: (item) => this.address(item), sort: { key: "shown", down: true },
    });
    this.count = h("p", { class: "count", role: "status", "aria-live": "polite" });
    this.detail = h("div", { class: "detail", hidden: true });
    const name = () => `strategies-${this.variant.label}-order-${this.order}`;
    const tools = tableTools(this.count, "strategies", name, this.table);
    this.list = h("div", { class: "list-view" }, this.controls(), tools, this.table.element);
    section.append(this.list, this.detail);
    this.update();
  }

  usesExamples({ cells }) {
    const { data } = this;
    return cells.some((cell) => {
      const [from, to] = [data.cellStart[cell], data.cellStart[cell + 1]];
      return to > from && data.usesEnd(to - 1) > data.records.use_start[from];
    });
  }

  controls() {
    const arm = choice("Arm", this.variants.map(({ label }, index) => [index, label]), (value) => {
      this.variant = this.variants[value];
      this.data.arm = this.variant;
      this.update();
    }, "arm");
    this.orderField = choice("Order", this.data.orders.map((order) => [order, `order ${order}`]), (value) => {
      this.order = Number(value);
      this.update();
    });
    return controlForm(arm.element, this.orderField.element);
  }

  columns() {
    const of = (name) => (item) => this.life.get(item)[name];
    const right = of("right");
    return [
      itemColumn(this.data, "Written from", (item) => item),
      {
        key: "position", title: "Place", numeric: true, minor: true, width: "6.5rem",
        value: of("position"), show: (item) => placeName(of("position")(item)),
      },
      {
        key: "teacher", title: "Own answer", minor: true, width: "8rem",
        value: (item) => ({ true: "right", false: "wrong", null: "unknown" })[right(item)],
        rank: (item) => ({ false: 0, true: 1, null: 2 })[right(item)],
        show: (item) => (right(item) === null ? "unknown" : verdict(right(item), false)),
      },
      {
        key: "shown", title: "Shown", numeric: true, narrow: true, width: "6rem",
        value: of("shown"), show: (item) => whole(of("shown")(item)),
      },
      ...effectColumns(this.data, of),
    ];
  }

  // ---- The strategies of a cell ----

  get cell() {
    return this.variant.cells.find((cell) => this.data.meta.cells[cell].order === this.order) ?? this.variant.cells[0];
  }

  // item -> {position, right, shown: times, harmed, helped} of the strategies of a cell.
  livesOf(cell) {
    const { data } = this;
    const life = new Map();
    const entry = (item, position) => {
      if (!life.has(item)) life.set(item, { position, right: data.teacherRight(cell, item), shown: 0, harmed: 0, helped: 0 });
      return life.get(item);
    };
    for (const [item, { position }] of data.strategiesOf(cell)) entry(item, position);
    for (let row = data.cellStart[cell]; row < data.cellStart[cell + 1]; row++) {
      if (data.records.outcome[row] === 1) entry(data.records.item[row], data.records.position[row]);
      const effect = data.effects[row];
      for (let use = data.records.use_start[row]; use < data.usesEnd(row); use++) {
        const one = entry(data.uses[use], NaN);
        one.shown++;
        if (effect === HARMED) one.harmed++;
        else if (effect === HELPED) one.helped++;
      }
    }
    return life;
  }

  async update() {
    await this.data.loadStrategies();
    const { cell } = this;
    this.order = this.data.meta.cells[cell].order;
    this.orderField.select.value = this.order;
    this.life = this.livesOf(cell);
    const items = Int32Array.from(this.life.keys());
    this.table.setRows(items);
    const shown = items.filter((item) => this.life.get(item).shown > 0).length;
    this.count.textContent = `${plural(items.length, "strategy", "strategies")}, ${whole(shown)} of them shown`;
  }

  address(item) {
    return `#strategy=${this.cell}:${encodeURIComponent(this.data.items.id[item].toWellFormed())}`;
  }

  // ---- One strategy ----

  showList() {
    if (!this.list) return;
    this.list.hidden = false;
    this.detail.hidden = true;
    this.table.paint();
    this.table.scroller.scrollTop = this.scrollTop ?? 0;
  }

  async show(cell, item) {
    if (!this.list) return;
    const { data } = this;
    await data.loadStrategies();
    if (!this.list.hidden) this.scrollTop = this.table.scroller.scrollTop;
    const text = data.strategyText(cell, item);
    await data.loadTexts([text]);
    const life = this.livesOf(cell).get(item) ?? { position: NaN, right: null, shown: 0, harmed: 0, helped: 0 };
    const rows = this.rowsShown(cell, item);
    const { arm, threshold, order } = data.meta.cells[cell];
    const heading = h("h3", { tabindex: "-1" }, "Strategy from ", itemLink(data, item));
    data.arm = data.variants.find(({ cells }) => cells.includes(cell));
    this.detail.replaceChildren(
      h("div", { class: "steps" }, h("a", { class: "back", href: "#strategies" }, "‹ All strategies")), heading,
      h("p", { class: "byline" }, `${arm}${threshold === null ? "" : `, λ ${threshold}`}, order ${order}`),
      this.facts(life), textBlock(data.text(text), "Text of the strategy"),
      h("h4", {}, rows.length ? `Shown to ${plural(rows.length, "item", "items")}` : "Shown to no item"),
      rows.length ? timeline(data, cell, rows, life.position) : "", rows.length ? this.shownTo(rows) : "");
    this.list.hidden = true;
    this.detail.hidden = false;
    heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  facts(life) {
    const own = life.right === null ? "unknown" : verdict(life.right, false);
    const shown = plural(life.shown, "time", "times");
    const list = [["Written", placeName(life.position, true)], ["Own answer", own], ["Shown", shown]];
    if (this.data.knowsEffect) list.push(["Harmed", String(life.harmed)], ["Helped", String(life.helped)]);
    return h("dl", { class: "facts" }, list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  // The records of a cell that were shown this item's strategy, in stream order.
  rowsShown(cell, item) {
    const { data } = this;
    const rows = [];
    for (let row = data.cellStart[cell]; row < data.cellStart[cell + 1]; row++) {
      const { use_start: start } = data.records;
      for (let use = start[row]; use < data.usesEnd(row); use++) {
        if (data.uses[use] === item) { rows.push(row); break; }
      }
    }
    return rows;
  }

  shownTo(rows) {
    const { data } = this;
    const { item, position, flags } = data.records;
    const state = (row) => (row < 0 ? NaN : Number((flags[row] & FLAG.weakRight) !== 0));
    const text = (row) => (row < 0 ? "" : data.strings[data.records.weak_answer[row]]);
    const table = new LongTable({
      label: "Items that the strategy was shown to",
      address: (row) => itemAddress(data, item[row]),
      sort: { key: "position", down: false },
      columns: [
        itemColumn(data, "Item", (row) => item[row]),
        {
          key: "position", title: "Place", numeric: true, minor: true, width: "6rem",
          value: (row) => position[row] + 1, show: (row) => whole(position[row] + 1),
        },
        {
          key: "alone", title: "Alone", minor: true, width: "20%", value: (row) => text(data.aloneOf(row)),
          rank: (row) => state(data.aloneOf(row)), show: (row) => weakVerdict(data, data.aloneOf(row)),
        },
        { key: "with", title: "With it", width: "20%", value: text, rank: state, show: (row) => weakVerdict(data, row) },
        {
          key: "effect", title: "Effect", width: "7rem",
          value: (row) => data.effects[row], show: (row) => effectBadge(data.effects[row]) ?? "–",
        },
      ],
    });
    table.setRows(Int32Array.from(rows));
    return table.element;
  }
}

// The weak level's answer of a record.
function weakVerdict(data, row) {
  const flags = row < 0 ? 0 : data.records.flags[row];
  if (!(flags & FLAG.weakCalled)) return "–";
  if (flags & FLAG.weakNoAnswer) return verdict(false, true);
  return verdict((flags & FLAG.weakRight) !== 0, false, data.strings[data.records.weak_answer[row]]);
}

function placeName(position, long = false) {
  if (!Number.isFinite(position)) return "unknown";
  if (position < 0) return long ? "from the calibration items, before the stream" : "before";
  return long ? `at place ${whole(position + 1)} of the stream` : whole(position + 1);
}

// The stream from left to right: a tick for each item that saw the strategy, up if it helped, down if it harmed.
function timeline(data, cell, rows, written) {
  const length = data.cellStart[cell + 1] - data.cellStart[cell];
  const place = (position) => 10 + (980 * Math.max(0, position)) / Math.max(1, length - 1);
  const line = (at, to, top, bottom, kind) => svg("line", { x1: at, x2: to, y1: top, y2: bottom, class: kind });
  const ticks = rows.slice(0, 2000).map((row) => {
    const at = place(data.records.position[row]);
    const effect = data.effects[row];
    if (effect === HELPED) return line(at, at, 30, 8, "helped");
    return effect === HARMED ? line(at, at, 30, 52, "harmed") : line(at, at, 25, 35, "same");
  });
  const start = Number.isFinite(written) ? [line(place(written), place(written), 30, 30, "written")] : [];
  const frame = { viewBox: "0 0 1000 60", class: "timeline", preserveAspectRatio: "none", "aria-hidden": "true" };
  return h("div", {}, svg("svg", frame, line(10, 990, 30, 30, "axis"), ...ticks, ...start), h("p", { class: "hint" },
    `The stream from place 1 to ${whole(length)}. The dot: written here. `,
    "A line up: helped; down: harmed; short: no change of right or wrong."));
}
