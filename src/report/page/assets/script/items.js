// The list of items: one row for each item in the chosen arm, over the chosen orders.

const FINAL = { right: [FLAG.right, FLAG.right], wrong: [FLAG.right | FLAG.noAnswer, 0], none: [FLAG.noAnswer, FLAG.noAnswer] };
const DECISION = {
  deferred: [FLAG.deferred, FLAG.deferred],
  accepted: [FLAG.deferred | FLAG.weakCalled, FLAG.weakCalled],
};
const STRONG = {
  right: [FLAG.strongCalled | FLAG.strongRight, FLAG.strongCalled | FLAG.strongRight],
  wrong: [FLAG.strongCalled | FLAG.strongRight, FLAG.strongCalled],
};
const MARKS = {
  check: FLAG.checkFailed, cut: FLAG.weakCut | FLAG.strongCut, empty: FLAG.weakEmpty | FLAG.strongEmpty,
  refused: FLAG.weakRefused | FLAG.strongRefused,
};
const NO_FILTER = { order: "", kind: "", final: "", decision: "", strong: "", mark: "", examples: "" };
const PRESETS = [
  ["Harmed by examples", { examples: "harmed" }, { key: "harmed", down: true }],
  ["Helped by examples", { examples: "helped" }, { key: "helped", down: true }],
  ["Wrong and accepted", { final: "wrong", decision: "accepted" }, null],
  ["Deferred and strong wrong", { decision: "deferred", strong: "wrong" }, null],
];

// The cells of a variant that are in an order ("" for all).
function cellsOf(data, variant, order) {
  return variant.cells.filter((cell) => order === "" || data.meta.cells[cell].order === Number(order));
}

// ---- Filter ----

// Turns the settings into masks: a record matches if (flags & mask) === want, and so on.
function filterOf(settings) {
  let [mask, want] = [0, 0];
  for (const [set, name] of [[FINAL, settings.final], [DECISION, settings.decision], [STRONG, settings.strong]]) {
    if (!set[name]) continue;
    mask |= set[name][0];
    want |= set[name][1];
  }
  return { mask, want, any: MARKS[settings.mark] ?? 0, examples: settings.examples };
}

// Sums over an arm's records for each item, and whether one record meets all conditions. Sums are
// made anew when the arm or the order changes, matches also when a condition does.
class Sums {
  constructor(items) {
    const counts = ["orders", "right", "deferred", "harmed", "helped", "confidences", "fees"];
    for (const name of counts) this[name] = new Uint16Array(items);
    this.confidence = new Float64Array(items);
    this.fee = new Float64Array(items);
    this.matches = new Uint8Array(items);
  }

  fill(data, cells, filter) {
    const [ofCells, ofFilter] = [cells.join(), `${cells.join()} ${JSON.stringify(filter)}`];
    if (ofCells !== this.ofCells) {
      for (const array of Object.values(this)) if (ArrayBuffer.isView(array)) array.fill(0);
      for (const cell of cells) this.add(data, data.cellStart[cell], data.cellStart[cell + 1]);
    }
    if (ofFilter !== this.ofFilter) {
      this.matches.fill(0);
      for (const cell of cells) this.match(data, data.cellStart[cell], data.cellStart[cell + 1], filter);
    }
    Object.assign(this, { ofCells, ofFilter });
  }

  add(data, from, end) {
    const { item: items, flags: flagsOf, confidence, fee } = data.records;
    for (let row = from; row < end; row++) {
      const [item, flags, effect] = [items[row], flagsOf[row], data.effects[row]];
      this.orders[item]++;
      if (flags & FLAG.right) this.right[item]++;
      if (flags & FLAG.deferred) this.deferred[item]++;
      if (effect === HARMED) this.harmed[item]++;
      else if (effect === HELPED) this.helped[item]++;
      if (!Number.isNaN(confidence[row])) { this.confidence[item] += confidence[row]; this.confidences[item]++; }
      if (!Number.isNaN(fee[row])) { this.fee[item] += fee[row]; this.fees[item]++; }
    }
  }

  match(data, from, end, { mask, want, any, examples }) {
    const { item, flags } = data.records;
    for (let row = from; row < end; row++) {
      if ((flags[row] & mask) !== want || (any && !(flags[row] & any))) continue;
      if (examples && !matchesExamples(data, row, data.effects[row], examples)) continue;
      this.matches[item[row]] = 1;
    }
  }
}

function matchesExamples(data, row, effect, examples) {
  if (examples === "harmed") return effect === HARMED;
  if (examples === "helped") return effect === HELPED;
  return (data.usesOf(row) > 0) === (examples === "shown");
}

// ---- Controls ----

class ItemsView {
  constructor(section, data) {
    this.data = data;
    this.sums = new Sums(data.meta.items);
    this.settings = { ...NO_FILTER, query: "" };
    this.table = new LongTable({
      label: "Items", columns: this.columns(), address: (item) => itemAddress(data, item), sort: null,
    });
    this.count = h("p", { class: "count", role: "status", "aria-live": "polite" });
    const tools = tableTools(this.count, "items", () => `items-${data.arm.label}`, this.table);
    const kind = data.meta.has_questions ? "list-view snippets" : "list-view";
    this.list = h("div", { class: kind }, this.presets(), this.controls(), tools, this.table.element);
    this.detail = new ItemDetail(data, this);
    section.append(this.list, this.detail.element);
    data.loadSearch(() => this.showSnippets()).catch(showFailure);
    this.update();
  }

  presets() {
    this.presetButtons = PRESETS.map(([text, filter, sort]) => {
      const needsAlone = "examples" in filter && !this.data.knowsEffect;
      return button(text, () => this.usePreset(filter, sort), {
        class: "preset", "aria-pressed": "false", disabled: needsAlone,
        title: needsAlone ? "Unknown: the run has no weak-only arm to compare with." : null,
      });
    });
    const unknown = this.data.knowsEffect ? null
      : h("p", { class: "hint" }, "Whether examples helped or harmed is unknown: the run has no weak-only arm to compare with.");
    return h("div", { class: "presets", role: "group", "aria-label": "Presets" }, this.presetButtons, unknown);
  }

  usePreset(filter, sort) {
    const set = { ...NO_FILTER, ...filter };
    const wasOn = this.isPreset(filter);
    this.settings = { ...(wasOn ? NO_FILTER : set), query: this.settings.query };
    for (const [key, field] of Object.entries(this.fields)) if (key in NO_FILTER) field.select.value = this.settings[key];
    this.update(wasOn ? null : sort);
  }

  isPreset(filter) {
    const set = { ...NO_FILTER, ...filter };
    return Object.keys(NO_FILTER).every((key) => this.settings[key] === set[key]);
  }

  controls() {
    const { data } = this;
    const change = (key) => (value) => { this.settings[key] = value; this.update(); };
    const any = ["", "any"];
    this.fields = {
      variant: choice("Arm", data.variants.map(({ label }, index) => [index, label]), (value) => {
        data.arm = data.variants[value];
        this.update();
      }, "arm"),
      order: choice("Order", [["", "all"], ...data.orders.map((order) => [order, `order ${order}`])], change("order")),
      kind: choice("Kind", [any, ...data.groups.map((group, index) => [index, group])], change("kind")),
      final: choice("Final answer", [any, ["right", "right"], ["wrong", "wrong"], ["none", "no answer"]], change("final")),
      decision: choice("Gate", [any, ["deferred", "deferred"], ["accepted", "accepted"]], change("decision")),
      strong: choice("Strong answer", [any, ["right", "right"], ["wrong", "wrong"]], change("strong")),
      examples: choice("Examples", [any, ["shown", "shown"], ["notshown", "none shown"],
        ...(data.knowsEffect ? [["harmed", "harmed"], ["helped", "helped"]] : [])], change("examples")),
      mark: choice("Mark", [any, ["check", "check failed"], ["cut", "cut at the limit"], ["empty", "empty"],
        ["refused", "refused"]], change("mark")),
    };
    this.fields.variant.select.value = data.variants.indexOf(data.arm);
    if (data.groups.length > 400) this.fields.kind.element.hidden = true;
    if (data.orders.length < 2) this.fields.order.element.hidden = true;
    const input = () => change("query")(search.value);
    const search = h("input", { type: "search", autocomplete: "off", spellcheck: "false", on: { input } });
    const label = data.meta.has_questions ? "Search id, kind and question" : "Search id and kind";
    return controlForm(h("label", { class: "field search" }, h("span", {}, label), search),
      Object.values(this.fields).map(({ element }) => element));
  }

  // ---- Columns ----

  columns() {
    const { data, sums } = this;
    const { group } = data.items;
    const share = (name) => (item) => `${sums[name][item]} of ${sums.orders[item]}`;
    const mean = (sum, count) => (item) => (sums[count][item] ? sums[sum][item] / sums[count][item] : NaN);
    const [fee, confidence] = [mean("fee", "fees"), mean("confidence", "confidences")];
    const columns = [
      itemColumn(data, "Item", (item) => item, (item) => this.name(item)),
      {
        key: "kind", title: "Kind", minor: true, width: "15%",
        value: (item) => group[item], rank: (item) => data.groupRank.get(group[item]),
      },
      {
        key: "right", title: "Right", numeric: true, narrow: true, width: "6.5rem",
        value: share("right"), rank: (item) => sums.right[item] / sums.orders[item],
      },
      {
        key: "deferred", title: "Deferred", numeric: true, minor: true, width: "7rem",
        value: share("deferred"), rank: (item) => sums.deferred[item],
      },
      {
        key: "confidence", title: "Confidence", numeric: true, minor: true, width: "7.5rem",
        value: confidence, show: (item) => decimals(confidence(item), 3),
      },
    ];
    if (data.meta.has_fees) {
      const places = Math.max(0, data.feePlaces - 3);
      columns.push({
        key: "fee", title: `${data.meta.currency} / 1,000`, numeric: true, minor: true, width: "8rem",
        value: (item) => fee(item) * 1000, show: (item) => decimals(fee(item) * 1000, places),
      });
    }
    return [...columns, ...effectColumns(data, (name) => (item) => sums[name][item])];
  }

  name(item) {
    const question = this.snippets ? this.data.question(item) : null;
    const line = question && appendText(h("span", { class: "snippet" }), shortened(question, 160));
    return h("span", { class: "name" }, h("span", { class: "id" }, this.data.nameOf(item)), line);
  }

  // ---- Result ----

  update(sort) {
    performance.mark("filter-start");
    const { data, settings, sums } = this;
    sums.fill(data, cellsOf(data, data.arm, settings.order), filterOf(settings));
    const query = settings.query.trim().toLowerCase();
    const kind = settings.kind === "" ? null : data.groups[settings.kind];
    const rows = [];
    for (let item = 0; item < data.meta.items; item++) {
      if (!sums.matches[item] || (kind !== null && data.items.group[item] !== kind)) continue;
      if (query && !data.search[item].includes(query)) continue;
      rows.push(item);
    }
    this.table.setRows(Int32Array.from(rows), sort === undefined ? this.table.sort : sort);
    this.count.textContent = `${plural(rows.length, "item", "items")} of ${whole(data.meta.items)}`;
    this.presetButtons.forEach((one, index) => one.setAttribute("aria-pressed", String(this.isPreset(PRESETS[index][1]))));
    performance.measure("filter", "filter-start");
  }

  // The questions are there: search covers them, rows show their beginning.
  showSnippets() {
    this.snippets = true;
    if (this.settings.query) this.update();
    else this.table.paint();
  }

  showList() {
    const chosen = String(this.data.variants.indexOf(this.data.arm));
    if (this.fields.variant.select.value !== chosen) {
      this.fields.variant.select.value = chosen;
      this.update();
    }
    this.list.hidden = false;
    this.detail.element.hidden = true;
    this.table.paint();
    this.table.scroller.scrollTop = this.scrollTop ?? 0;
  }

  showItem(item) {
    if (!this.list.hidden) this.scrollTop = this.table.scroller.scrollTop;
    this.list.hidden = true;
    this.detail.element.hidden = false;
    this.detail.show(item).catch(showFailure);
  }
}

function itemAddress(data, item) {
  return `#item=${encodeURIComponent(data.items.id[item].toWellFormed())}`;
}

function itemLink(data, item) {
  return h("a", { href: itemAddress(data, item) }, data.nameOf(item));
}
