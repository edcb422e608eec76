// The data of the run. Blocks are base64 of gzip in script elements that the browser does not run.
// Each is decoded when it is first needed; records stay in typed arrays.

const FLAG = {
  right: 1 << 0, noAnswer: 1 << 1, deferred: 1 << 2, weakCalled: 1 << 3, weakRight: 1 << 4, weakNoAnswer: 1 << 5,
  checkFailed: 1 << 6, weakCut: 1 << 7, weakEmpty: 1 << 8, strongCalled: 1 << 9, strongRight: 1 << 10,
  strongNoAnswer: 1 << 11, strongCut: 1 << 12, strongEmpty: 1 << 13, weakRefused: 1 << 14, strongRefused: 1 << 15,
};
const OUTCOME = ["", "stored", "unreadable", "refused", "dropped by the store rule"];
const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f32: Float32Array, f64: Float64Array };
const SAME_AS_LEVEL = 0xffffffff;
const HELPED = 1;
const HARMED = -1;

// ---- Blocks ----

function bytesOfBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < binary.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

async function readBlock(id) {
  const element = document.getElementById(`data-${id}`);
  if (!element) throw new Error(`the report has no data block ${id}`);
  const packed = new Blob([bytesOfBase64(element.textContent.trim())]).stream();
  return new Response(packed.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

async function readJson(id) {
  return JSON.parse(new TextDecoder().decode(await readBlock(id)));
}

// One column. Encodings: plain, delta (difference from the value before), planes (all first bytes,
// then all second bytes, ...), delta-planes. With a scale the values are multiplied by it, and the
// largest integer of the type is NaN.
function readColumn(buffer, at, rows, { type, encoding = "plain", scale }) {
  const Kind = ARRAYS[type];
  let column;
  if (encoding.endsWith("planes")) {
    const width = Kind.BYTES_PER_ELEMENT;
    const from = new Uint8Array(buffer, at, rows * width);
    const to = new Uint8Array(rows * width);
    for (let plane = 0; plane < width; plane++) {
      for (let row = 0, source = plane * rows; row < rows; row++, source++) to[row * width + plane] = from[source];
    }
    column = new Kind(to.buffer);
  } else {
    column = new Kind(buffer, at, rows);
  }
  if (encoding.startsWith("delta")) {
    for (let row = 1; row < rows; row++) column[row] += column[row - 1];
  }
  if (scale === undefined) return column;
  const none = 2 ** (8 * Kind.BYTES_PER_ELEMENT) - 1;
  return Float64Array.from(column, (value) => (value === none ? NaN : value * scale));
}

// A final answer that is stored as "that of the level that answered" gets its number.
function fillFinalAnswers({ final_answer: final, weak_answer: weak, strong_answer: strong, flags }) {
  for (let row = 0; row < final.length; row++) {
    if (final[row] === SAME_AS_LEVEL) final[row] = flags[row] & FLAG.strongCalled ? strong[row] : weak[row];
  }
}

function readColumns(buffer, meta) {
  const columns = {};
  let at = 0;
  for (const description of meta.columns) {
    columns[description.name] = readColumn(buffer, at, meta.rows, description);
    at += Math.ceil((meta.rows * ARRAYS[description.type].BYTES_PER_ELEMENT) / 8) * 8;
  }
  return columns;
}

// Decimals that show three digits of a fee of mean size, so that a column of fees aligns.
function placesOf(fees) {
  let [sum, count] = [0, 0];
  for (const fee of fees) if (fee > 0) { sum += fee; count++; }
  return count ? Math.max(0, Math.min(12, 2 - Math.floor(Math.log10(sum / count)))) : 2;
}

// ---- Cells ----

// Cells with the same arm and λ, over the orders of the stream.
function variantsOf(cells) {
  const variants = new Map();
  cells.forEach((cell, index) => {
    const label = cell.threshold === null ? cell.arm : `${cell.arm} · λ ${cell.threshold}`;
    if (!variants.has(label)) variants.set(label, { label, arm: cell.arm, learns: cell.learns, cells: [] });
    variants.get(label).cells.push(index);
  });
  return [...variants.values()];
}

class Data {
  constructor(meta) {
    this.meta = meta;
    this.variants = variantsOf(meta.cells);
    this.orders = [...new Set(meta.cells.map((cell) => cell.order))].sort((a, b) => a - b);
    this.knowsEffect = Object.keys(meta.weak_only ?? {}).length > 0;
    // The arm and λ that was chosen last, in any view.
    this.arm = this.variants.find(({ learns }) => learns) ?? this.variants[0];
    this.rowsOfCell = new Map();
    this.chunks = new Map();
    this.strategyIndex = new Map();
    this.search = null;
  }

  // Decodes items and records once.
  load() {
    this.loading ??= this.decode();
    return this.loading;
  }

  async decode() {
    const [items, strings, records, uses] = await Promise.all([
      readJson("items"), readJson("strings"), readBlock("records"), readBlock("uses"),
    ]);
    this.items = items;
    this.strings = strings;
    this.records = readColumns(records, this.meta);
    this.uses = new Uint32Array(uses, 0, this.meta.uses);
    this.itemOfId = new Map(items.id.map((id, index) => [id, index]));
    this.groups = [...new Set(items.group)].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    this.groupRank = new Map(this.groups.map((name, index) => [name, index]));
    fillFinalAnswers(this.records);
    this.findCells();
    this.findEffects();
    this.feePlaces = placesOf(this.records.fee);
    return this;
  }

  // Rows are sorted by cell: rows of cell c are cellStart[c] to cellStart[c + 1].
  findCells() {
    const { cell } = this.records;
    this.cellStart = new Uint32Array(this.meta.cells.length + 1);
    for (let row = 0; row < this.meta.rows; row++) this.cellStart[cell[row] + 1]++;
    for (let index = 1; index < this.cellStart.length; index++) this.cellStart[index] += this.cellStart[index - 1];
  }

  // For each record whether its examples helped or harmed, against weak-only's answer to the same
  // item in the same order.
  findEffects() {
    const { item, flags } = this.records;
    this.effects = new Int8Array(this.meta.rows);
    this.meta.cells.forEach((cell, index) => {
      const alone = this.meta.weak_only?.[cell.order];
      if (alone === undefined || alone === index) return;
      const rowsAlone = this.rowsByItem(alone);
      for (let row = this.cellStart[index]; row < this.cellStart[index + 1]; row++) {
        const other = rowsAlone[item[row]];
        if (other < 0 || !(flags[row] & FLAG.weakCalled) || this.usesOf(row) === 0) continue;
        const rightAlone = (flags[other] & FLAG.weakRight) !== 0;
        const right = (flags[row] & FLAG.weakRight) !== 0;
        if (right !== rightAlone) this.effects[row] = right ? HELPED : HARMED;
      }
    });
  }

  usesEnd(row) {
    return row + 1 < this.meta.rows ? this.records.use_start[row + 1] : this.meta.uses;
  }

  usesOf(row) {
    return this.usesEnd(row) - this.records.use_start[row];
  }

  // For each item its row in a cell, or -1.
  rowsByItem(cell) {
    let rows = this.rowsOfCell.get(cell);
    if (!rows) {
      rows = new Int32Array(this.meta.items).fill(-1);
      for (let row = this.cellStart[cell]; row < this.cellStart[cell + 1]; row++) rows[this.records.item[row]] = row;
      this.rowsOfCell.set(cell, rows);
    }
    return rows;
  }

  // The place of an item among all ids in natural order.
  idRank(item) {
    this.idRanks ??= naturalRanks(this.items.id);
    return this.idRanks[item];
  }

  // The name of an item on the page.
  nameOf(item) {
    return this.items.id[item].trim() || `(no id, item ${item + 1})`;
  }

  // The record of weak-only for the item and order of a row, or -1.
  aloneOf(row) {
    const cell = this.meta.weak_only?.[this.meta.cells[this.records.cell[row]].order];
    return cell === undefined ? -1 : this.rowsByItem(cell)[this.records.item[row]];
  }

  // Whether the strong answer behind a strategy was right: true, false, or null if unknown.
  teacherRight(cell, item) {
    const row = this.rowsByItem(cell)[item];
    if (row < 0 || !(this.records.flags[row] & FLAG.strongCalled)) return null;
    return (this.records.flags[row] & FLAG.strongRight) !== 0;
  }

  // ---- Texts ----

  loadChunk(chunk) {
    if (!this.chunks.has(chunk)) {
      this.chunks.set(chunk, readJson(`texts-${chunk}`).then((texts) => {
        this.chunks.set(chunk, texts);
        return texts;
      }));
    }
    return this.chunks.get(chunk);
  }

  // Decodes the chunks of these text indices; negative ones are skipped.
  loadTexts(indices) {
    const chunks = new Set(indices.filter((index) => index >= 0).map((index) => this.chunkOf(index)));
    return Promise.all([...chunks].map((chunk) => this.loadChunk(chunk)));
  }

  chunkOf(index) {
    return Math.floor(index / this.meta.texts_per_chunk);
  }

  // [text, marks] of a decoded text, or null.
  text(index) {
    if (index < 0) return null;
    const chunk = this.chunks.get(this.chunkOf(index));
    const entry = Array.isArray(chunk) ? chunk[index % this.meta.texts_per_chunk] : null;
    return entry ? [entry[0], entry[1] ?? []] : null;
  }

  question(item) {
    return this.text(this.items.question[item])?.[0] ?? null;
  }

  // Lower-case id, kind and question of each item, for search. Questions come in the background.
  async loadSearch(onProgress) {
    const { id, group, question } = this.items;
    this.search = id.map((one, item) => `${one}\n${group[item]}`.toLowerCase());
    if (!this.meta.has_questions) return;
    let chunk = -1;
    for (let item = 0; item < id.length; item++) {
      if (question[item] < 0) continue;
      if (this.chunkOf(question[item]) !== chunk) {
        chunk = this.chunkOf(question[item]);
        await this.loadChunk(chunk);
        if (chunk % 8 === 7) await new Promise((resolve) => setTimeout(resolve));
      }
      this.search[item] += `\n${this.question(item).toLowerCase()}`;
    }
    onProgress();
  }

  // ---- Strategies ----

  loadStrategies() {
    this.loadingStrategies ??= readJson("strategies").then((list) => {
      this.strategies = Int32Array.from(list.flat());
    });
    return this.loadingStrategies;
  }

  // item -> {text, position} of the strategies that were written in a cell.
  strategiesOf(cell) {
    let found = this.strategyIndex.get(cell);
    if (!found) {
      found = new Map();
      for (let at = 0; at < this.strategies.length; at += 4) {
        if (this.strategies[at] !== cell) continue;
        found.set(this.strategies[at + 1], { text: this.strategies[at + 2], position: this.strategies[at + 3] });
      }
      this.strategyIndex.set(cell, found);
    }
    return found;
  }

  // The text index of a strategy; without one, that of the strong answer it was made from.
  strategyText(cell, item) {
    const written = this.strategiesOf(cell).get(item);
    if (written && written.text >= 0) return written.text;
    const row = this.rowsByItem(cell)[item];
    return row < 0 ? -1 : this.records.strong_text[row] - 1;
  }
}
