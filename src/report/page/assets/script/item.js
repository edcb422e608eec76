// One item: its question, what happened to it in the chosen arm and why, and its answer in every cell.

const TEXT_PARTS = { weak: "weak_text", strong: "strong_text" };

// ---- Small parts ----

function verdict(right, unread, text) {
  if (unread) return h("span", { class: "verdict none" }, `– ${text ?? "no answer"}`);
  const kind = right ? "right" : "wrong";
  return h("span", { class: `verdict ${kind}` }, `${right ? "✓" : "✗"} ${text ?? kind}`);
}

function effectBadge(effect) {
  if (effect === HARMED) return h("span", { class: "badge harmed" }, "▼ harmed");
  if (effect === HELPED) return h("span", { class: "badge helped" }, "▲ helped");
  return null;
}

function badge(text, kind = "") {
  return h("span", { class: `badge ${kind}` }, text);
}

// The confidence as a bar from 0 to 1 with a line at λ. The number beside it says the same.
function confidenceBar(confidence, threshold) {
  if (!Number.isFinite(confidence)) return h("span", { class: "zero" }, "–");
  const fill = h("span", { class: "fill" });
  fill.style.width = `${Math.max(0, Math.min(1, confidence)) * 100}%`;
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, fill);
  if (threshold !== null) {
    const line = h("span", { class: "limit" });
    line.style.left = `${Math.max(0, Math.min(1, threshold)) * 100}%`;
    bar.append(line);
  }
  return h("span", { class: "confidence" }, bar, h("span", { class: "amount" }, decimals(confidence, 3)));
}

// A text with its calculations marked. Marks are [start, end, ok] and may not overlap.
function textBlock(entry, label) {
  if (!entry) return h("p", { class: "hint" }, "The text is not in this report.");
  const [text, marks] = entry;
  const block = h("pre", { class: "answer", tabindex: "0", "aria-label": label });
  let from = 0;
  for (const [start, end, ok] of marks) {
    if (start < from || end > text.length) continue;
    appendText(block, text.slice(from, start));
    const mark = appendText(h("mark", { class: ok ? "right" : "wrong" }), text.slice(start, end));
    mark.append(h("span", { class: "tick" }, ok ? " ✓" : " ✗"), h("span", { class: "hidden" }, ok ? " right" : " wrong"));
    block.append(mark);
    from = end;
  }
  appendText(block, text.slice(from));
  return text === "" ? h("p", { class: "hint" }, "The answer is empty.") : block;
}

// ---- One record, with its texts ----

class RecordView {
  constructor(data, row) {
    const { records, meta } = data;
    Object.assign(this, { data, row });
    this.cellIndex = records.cell[row];
    this.cell = meta.cells[this.cellIndex];
    this.flags = records.flags[row];
    this.alone = data.aloneOf(row);
    this.sources = [...data.uses.subarray(records.use_start[row], data.usesEnd(row))];
    if (this.alone === row) this.alone = -1;
  }

  has(flag) {
    return (this.flags & flag) !== 0;
  }

  string(name, row = this.row) {
    return this.data.strings[this.data.records[name][row]];
  }

  // The texts to decode before `build`.
  texts() {
    const { weak_text: weak, strong_text: strong } = this.data.records;
    const alone = this.alone < 0 ? -1 : weak[this.alone] - 1;
    const shown = this.sources.map((item) => this.data.strategyText(this.cellIndex, item));
    return [weak[this.row] - 1, strong[this.row] - 1, alone, ...shown];
  }

  // ---- Why ----

  answerPhrase(answer, right, unread) {
    if (unread) return ["gives no answer that can be read"];
    const kind = right ? "right" : "wrong";
    return ["answers ", h("b", { class: "quoted" }, answer), ", which is ", h("b", { class: kind }, kind)];
  }

  sourcePhrase() {
    const { data, sources } = this;
    const subject = this.alone < 0 ? "the weak model" : "it";
    if (sources.length > 1) {
      const wrong = sources.filter((item) => data.teacherRight(this.cellIndex, item) === false).length;
      const teachers = wrong ? `${wrong} of them from wrong answers` : "none known to come from a wrong answer";
      return [`With ${sources.length} examples, ${teachers}, ${subject} `];
    }
    const right = data.teacherRight(this.cellIndex, sources[0]);
    const own = right === null ? ", whose own answer is not recorded," : `, whose own answer was ${right ? "right" : "wrong"},`;
    return ["With the example from ", itemLink(data, sources[0]), own, ` ${subject} `];
  }

  why() {
    if (!this.has(FLAG.weakCalled)) return h("p", { class: "why" }, "The weak model was not asked. ", this.gate());
    const answer = this.answerPhrase(this.string("weak_answer"), this.has(FLAG.weakRight), this.has(FLAG.weakNoAnswer));
    if (this.sources.length === 0) {
      return h("p", { class: "why" }, "Without an example the weak model ", answer, ". ", this.gate());
    }
    const sentence = [];
    if (this.alone >= 0) {
      const flags = this.data.records.flags[this.alone];
      sentence.push("Alone the weak model ", ...this.answerPhrase(this.string("weak_answer", this.alone),
        (flags & FLAG.weakRight) !== 0, (flags & FLAG.weakNoAnswer) !== 0), ". ");
    }
    return h("p", { class: "why" }, sentence, this.sourcePhrase(), answer, ". ", this.gate());
  }

  gate() {
    const [right, none] = [this.has(FLAG.strongRight), this.has(FLAG.strongNoAnswer)];
    const phrase = () => ["the strong model ", ...this.answerPhrase(this.string("strong_answer"), right, none), "."];
    const strong = this.has(FLAG.strongCalled) ? phrase() : [];
    if (!this.has(FLAG.weakCalled)) return strong.length ? ["Here ", ...strong] : [];
    if (!this.has(FLAG.deferred)) return this.cell.threshold === null ? [] : ["The gate accepts this."];
    return ["The gate defers it", ...(strong.length ? ["; ", ...strong] : ["."])];
  }

  // ---- Facts ----

  facts() {
    const { records, meta } = this.data;
    const confidence = records.confidence[this.row];
    const { threshold } = this.cell;
    const failed = meta.checks.filter((_, bit) => records.checks_failed[this.row] & (1 << bit));
    const list = [];
    if (Number.isFinite(confidence)) {
      const side = threshold === null ? "" : confidence < threshold ? ` below λ ${threshold}` : ` not below λ ${threshold}`;
      list.push(["Confidence", h("span", { class: "inline" }, confidenceBar(confidence, threshold), side)]);
    }
    if (this.has(FLAG.checkFailed)) list.push(["Failed checks", h("span", {}, failed.length ? failed.join(", ") : "yes")]);
    else if (meta.checks.length && this.has(FLAG.weakCalled)) list.push(["Failed checks", "none"]);
    const similarity = records.similarity[this.row];
    if (Number.isFinite(similarity)) list.push(["Highest similarity", decimals(similarity, 3)]);
    list.push(["Tokens", `${whole(records.input_tokens[this.row])} in, ${whole(records.output_tokens[this.row])} out`]);
    const fee = records.fee[this.row];
    if (Number.isFinite(fee)) list.push(["Fee", `${money(fee)} ${meta.currency}`]);
    const latency = records.latency_ms[this.row];
    if (Number.isFinite(latency) && latency > 0) list.push(["Time", `${decimals(latency / 1000, 1)} s`]);
    const outcome = OUTCOME[records.outcome[this.row]];
    if (outcome) list.push(["As a strategy", outcome]);
    return h("dl", { class: "facts" }, list.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))));
  }

  marks() {
    const names = [
      [FLAG.weakCut, "weak answer cut"], [FLAG.weakEmpty, "weak answer empty"], [FLAG.weakRefused, "weak provider refused"],
      [FLAG.strongCut, "strong answer cut"], [FLAG.strongEmpty, "strong answer empty"],
      [FLAG.strongRefused, "strong provider refused"],
    ];
    return names.filter(([flag]) => this.has(flag)).map(([, name]) => badge(name, "warn"));
  }

  title() {
    const { threshold, arm, order } = this.cell;
    const position = whole(this.data.records.position[this.row] + 1);
    return `${arm}${threshold === null ? "" : `, λ ${threshold}`}, order ${order}, place ${position} in the stream`;
  }

  // ---- Texts ----

  part(title, state, body) {
    return h("div", { class: "part" }, h("h5", {}, title, state ? " " : null, state), body);
  }

  answerPart(title, row, level) {
    const { records } = this.data;
    const flags = records.flags[row];
    const [right, unread] = level === "weak" ? [FLAG.weakRight, FLAG.weakNoAnswer] : [FLAG.strongRight, FLAG.strongNoAnswer];
    const none = (flags & unread) !== 0;
    const state = verdict((flags & right) !== 0, none, none ? null : this.string(`${level}_answer`, row));
    const index = records[TEXT_PARTS[level]][row] - 1;
    return this.part(title, state, textBlock(this.data.text(index), title));
  }

  examplePart(item) {
    const right = this.data.teacherRight(this.cellIndex, item);
    const known = () => verdict(right, false, right ? "own answer right" : "own answer wrong");
    const state = right === null ? badge("own answer unknown") : known();
    const index = this.data.strategyText(this.cellIndex, item);
    const title = h("span", {}, "Example from ", itemLink(this.data, item));
    return this.part(title, state, textBlock(this.data.text(index), `Example from ${this.data.nameOf(item)}`));
  }

  // All texts, made when they are first opened.
  textParts() {
    const parts = [];
    if (this.alone >= 0 && this.sources.length) parts.push(this.answerPart("Weak answer, alone", this.alone, "weak"));
    const title = this.sources.length ? "Weak answer, with examples" : "Weak answer";
    if (this.has(FLAG.weakCalled)) parts.push(this.answerPart(title, this.row, "weak"));
    const examples = this.sources.map((item) => this.examplePart(item));
    if (this.has(FLAG.strongCalled)) examples.push(this.answerPart("Strong answer", this.row, "strong"));
    return [parts, examples].filter(({ length }) => length).map((list) => h("div", { class: "parts" }, list));
  }

  build(open) {
    const fill = () => { if (texts.open && texts.children.length === 1) texts.append(...this.textParts()); };
    const summary = this.sources.length ? "Answers and examples" : "Answers";
    const texts = h("details", { open, on: { toggle: fill } }, h("summary", {}, summary));
    fill();
    return h("article", { class: "record" },
      h("h4", {}, this.title(), " ", effectBadge(this.data.effects[this.row]), " ", this.marks()),
      this.why(), this.facts(), this.data.meta.has_texts ? texts : null);
  }
}

// ---- The page of an item ----

class ItemDetail {
  constructor(data, list) {
    Object.assign(this, { data, list });
    this.content = h("div");
    this.place = h("span", { class: "count", role: "status" });
    this.before = button("‹ Previous", () => this.step(-1));
    this.after = button("Next ›", () => this.step(1));
    this.element = h("div", { class: "detail", hidden: true },
      h("div", { class: "steps", role: "group", "aria-label": "Items of the list" },
        h("a", { class: "back", href: "#items" }, "‹ All items"), this.before, this.after, this.place),
      this.content);
  }

  step(by) {
    const { rows } = this.list.table;
    const next = rows[rows.indexOf(this.item) + by];
    if (next !== undefined) location.hash = itemAddress(this.data, next);
  }

  showPlace() {
    const { rows } = this.list.table;
    const at = rows.indexOf(this.item);
    this.before.disabled = at <= 0;
    this.after.disabled = at < 0 || at + 1 >= rows.length;
    this.place.textContent = at < 0 ? "not in the list" : `${whole(at + 1)} of ${whole(rows.length)}`;
  }

  // With `stay` the focus and the place on the page stay.
  async show(item, stay = false) {
    this.item = item;
    this.showPlace();
    const { data } = this;
    await data.loadStrategies();
    const views = this.records(data.arm.cells);
    const worst = views.toSorted((a, b) => this.weight(a) - this.weight(b));
    await data.loadTexts([data.items.question[item], ...worst.flatMap((view) => view.texts())]);
    if (this.item !== item) return;
    this.heading = h("h3", { tabindex: "-1" }, data.nameOf(item));
    this.chosen = h("div", { class: "chosen", "aria-live": "polite" });
    this.content.replaceChildren(this.heading, this.head(item),
      h("h3", {}, "Answers in one arm"), this.armField(), ...worst.map((view, index) => view.build(index === 0)),
      h("h3", {}, "Answers in every arm"), this.everyArm(), this.chosen);
    if (stay) return;
    this.heading.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }

  // Another arm for the same item.
  armField() {
    const { data } = this;
    const field = choice("Arm", data.variants.map(({ label }, index) => [index, label]), (value) => {
      data.arm = data.variants[value];
      this.show(this.item, true).then(() => this.content.querySelector("select").focus({ preventScroll: true })).catch(showFailure);
    }, "arm");
    field.select.value = data.variants.indexOf(data.arm);
    return h("div", { class: "controls" }, field.element);
  }

  // The records of this item in some cells.
  records(cells) {
    const rows = cells.map((cell) => this.data.rowsByItem(cell)[this.item]);
    return rows.filter((row) => row >= 0).map((row) => new RecordView(this.data, row));
  }

  // Harmed first, then helped, then the rest in order.
  weight(view) {
    const effect = this.data.effects[view.row];
    return effect === HARMED ? 0 : effect === HELPED ? 1 : 2;
  }

  head(item) {
    const { items } = this.data;
    const question = this.data.question(item);
    const target = items.target[item];
    return h("div", { class: "question" },
      h("p", { class: "byline" }, `Kind: ${items.group[item]}`),
      question === null ? h("p", { class: "hint" }, "The question is not in this report.") : h("p", { class: "text" }, question),
      target === null ? null : h("p", { class: "target" }, "Right answer: ", h("b", {}, target)));
  }

  // ---- The table of all cells ----

  everyArm() {
    const { meta } = this.data;
    const headings = ["Arm", "Order", "Place", "Examples", "Weak answer", "Confidence", "Gate", "Strong answer", "Tokens"];
    if (meta.has_fees) headings.push(`Fee, ${meta.currency}`);
    const numeric = new Set(["Order", "Place", "Examples", "Tokens", `Fee, ${meta.currency}`]);
    const head = (heading) => h("th", { scope: "col", class: numeric.has(heading) ? "number" : null }, heading);
    const views = this.records([...meta.cells.keys()]);
    return h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "The item in every arm" },
      h("table", { class: "data", "aria-label": "The item in every arm" },
        h("thead", {}, h("tr", {}, headings.map(head))),
        h("tbody", {}, views.map((view) => this.armLine(view)))));
  }

  armLine(view) {
    const { records, meta } = this.data;
    const { row, cell } = view;
    const number = (content) => h("td", { class: "number" }, content);
    const answer = (name, right, none) => verdict(view.has(right), view.has(none), view.has(none) ? null : view.string(name));
    const asked = view.has(FLAG.weakCalled) && cell.threshold !== null;
    const gate = !asked ? "–" : view.has(FLAG.deferred) ? "deferred" : "accepted";
    const label = cell.threshold === null ? cell.arm : `${cell.arm} · λ ${cell.threshold}`;
    return h("tr", {},
      h("th", { scope: "row" }, button(label, () => this.showChosen(view), { class: "link" })),
      number(cell.order), number(whole(records.position[row] + 1)),
      number([String(view.sources.length), " ", effectBadge(this.data.effects[row])]),
      h("td", {}, view.has(FLAG.weakCalled) ? answer("weak_answer", FLAG.weakRight, FLAG.weakNoAnswer) : "–"),
      h("td", {}, confidenceBar(records.confidence[row], cell.threshold)),
      h("td", {}, gate, view.has(FLAG.checkFailed) ? " (check failed)" : null),
      h("td", {}, view.has(FLAG.strongCalled) ? answer("strong_answer", FLAG.strongRight, FLAG.strongNoAnswer) : "–"),
      number(whole(records.input_tokens[row] + records.output_tokens[row])),
      meta.has_fees ? number(decimals(records.fee[row], this.data.feePlaces)) : null);
  }

  async showChosen(view) {
    await this.data.loadTexts(view.texts());
    this.chosen.replaceChildren(view.build(true));
    this.chosen.scrollIntoView({ block: "nearest" });
  }
}
