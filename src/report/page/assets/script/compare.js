// Two arms item by item: how often both are right, one, or none; and the items where they differ.

const DIFFERENCES = [
  ["differ", "right in one only"], ["onlyA", "only A right"], ["onlyB", "only B right"], ["answers", "different answers"],
];

class CompareView {
  constructor(section, data) {
    this.data = data;
    if (data.variants.length < 2) {
      section.append(h("p", { class: "hint" }, "The run has one arm only."));
      return;
    }
    const learning = data.variants.findIndex(({ learns }) => learns);
    const plain = data.variants.findIndex(({ arm }) => arm === "cascade");
    this.b = learning >= 0 ? learning : 1;
    this.a = plain >= 0 && plain !== this.b ? plain : this.b === 0 ? 1 : 0;
    this.order = "";
    this.show = "differ";
    this.table = new LongTable({
      label: "Items that differ", columns: this.columns(), address: (pair) => itemAddress(data, this.itemOf(pair)),
    });
    this.counts = h("dl", { class: "counts" });
    this.count = h("p", { class: "count", role: "status", "aria-live": "polite" });
    const tools = tableTools(this.count, "items", () => "compare", this.table);
    section.append(this.controls(), this.counts, tools, this.table.element);
    this.update();
  }

  controls() {
    const options = this.data.variants.map(({ label }, index) => [index, label]);
    const change = (key, number) => (value) => { this[key] = number ? Number(value) : value; this.update(); };
    const a = choice("Arm A", options, change("a", true), "arm");
    const b = choice("Arm B", options, change("b", true), "arm");
    const order = choice("Order", [["", "all"], ...this.data.orders.map((one) => [one, `order ${one}`])], change("order", false));
    const show = choice("List", DIFFERENCES, change("show", false));
    a.select.value = this.a;
    b.select.value = this.b;
    return controlForm([a, b, order, show].map(({ element }) => element));
  }

  itemOf(pair) {
    return this.data.records.item[this.rowsA[pair]];
  }

  columns() {
    const { data } = this;
    const { flags, final_answer: answers, cell } = data.records;
    const names = ["no answer", "wrong", "right"];
    const state = (row) => (flags[row] & FLAG.right ? 2 : flags[row] & FLAG.noAnswer ? 0 : 1);
    const answer = (row) => data.strings[answers[row]];
    const side = (key, title, rows) => ({
      key, title, width: "24%",
      value: (pair) => `${names[state(rows()[pair])]}: ${answer(rows()[pair])}`,
      rank: (pair) => state(rows()[pair]),
      show: (pair) => {
        const [row, known] = [rows()[pair], state(rows()[pair])];
        return verdict(known === 2, known === 0, known === 0 ? null : answer(row));
      },
    });
    return [
      itemColumn(data, "Item", (pair) => this.itemOf(pair)),
      {
        key: "kind", title: "Kind", minor: true, width: "18%",
        value: (pair) => data.items.group[this.itemOf(pair)],
        rank: (pair) => data.groupRank.get(data.items.group[this.itemOf(pair)]),
      },
      {
        key: "order", title: "Order", numeric: true, minor: true, width: "5.5rem",
        value: (pair) => data.meta.cells[cell[this.rowsA[pair]]].order,
      },
      side("a", "A answers", () => this.rowsA),
      side("b", "B answers", () => this.rowsB),
    ];
  }

  // ---- Result ----

  // Rows of A and B of the same item and order.
  pair() {
    const { data } = this;
    const [rowsA, rowsB] = [[], []];
    for (const cell of cellsOf(data, data.variants[this.a], this.order)) {
      const { order } = data.meta.cells[cell];
      const [other] = cellsOf(data, data.variants[this.b], String(order));
      if (other === undefined) continue;
      const rows = data.rowsByItem(other);
      for (let row = data.cellStart[cell]; row < data.cellStart[cell + 1]; row++) {
        const partner = rows[data.records.item[row]];
        if (partner < 0) continue;
        rowsA.push(row);
        rowsB.push(partner);
      }
    }
    [this.rowsA, this.rowsB] = [rowsA, rowsB];
  }

  update() {
    performance.mark("compare-start");
    this.pair();
    this.data.arm = this.data.variants[this.b];
    const { flags, final_answer: answers } = this.data.records;
    const counts = { both: 0, onlyA: 0, onlyB: 0, neither: 0 };
    const listed = [];
    for (let pair = 0; pair < this.rowsA.length; pair++) {
      const [a, b] = [this.rowsA[pair], this.rowsB[pair]];
      const [rightA, rightB] = [flags[a] & FLAG.right, flags[b] & FLAG.right];
      const name = rightA ? (rightB ? "both" : "onlyA") : rightB ? "onlyB" : "neither";
      counts[name]++;
      const differ = name === "onlyA" || name === "onlyB";
      const wanted = this.show === "answers" ? answers[a] !== answers[b] : this.show === "differ" ? differ : this.show === name;
      if (wanted) listed.push(pair);
    }
    this.showCounts(counts);
    this.table.setRows(Int32Array.from(listed));
    this.count.textContent = `${plural(listed.length, "answer", "answers")} of ${whole(this.rowsA.length)} listed`;
    performance.measure("compare", "compare-start");
  }

  showCounts(counts) {
    const total = this.rowsA.length;
    const [a, b] = [this.data.variants[this.a].label, this.data.variants[this.b].label];
    const names = { both: "Both right", onlyA: `Only A right (${a})`, onlyB: `Only B right (${b})`, neither: "Both wrong" };
    this.counts.replaceChildren(...Object.entries(names).map(([name, title]) => {
      const share = total ? ` ${decimals((100 * counts[name]) / total, 1)} %` : "";
      return h("div", {}, h("dt", {}, title), h("dd", {}, h("span", { class: "large" }, whole(counts[name])), share));
    }));
  }
}
