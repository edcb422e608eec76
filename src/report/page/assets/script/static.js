// The tables and figures that the template made: sorting, CSV, values apart from their intervals.

// The number that a cell begins with: "+28.1 pp [+21.3, +34.9]" is 28.1, "< 0.001" 0.001, "–" NaN.
function leadingNumber(text) {
  const match = text.replaceAll(",", "").replaceAll("−", "-").match(/^[<>≤≥~\s]*([+-]?\d+(\.\d+)?(e[+-]?\d+)?)/i);
  return match ? Number(match[1]) : NaN;
}

// Puts the interval of "value [low, high] unit" on a line of its own, so that values align.
function splitInterval(cell) {
  const match = cell.textContent.match(/^([^[]*?\d[^[]*?)\s*(\[[^\]]*\])\s*(.*)$/s);
  if (!match) return;
  const value = match[3] ? `${match[1]} ${match[3]}` : match[1];
  cell.replaceChildren(h("span", { class: "value" }, value), " ", h("span", { class: "interval" }, match[2]));
}

function sortStaticTable(table, index, down) {
  const body = table.tBodies[0];
  const rows = [...body.rows];
  const numbers = rows.map((row) => leadingNumber(row.cells[index].textContent));
  const numeric = numbers.some((number) => !Number.isNaN(number)) && table.tHead.rows[0].cells[index].matches(".number");
  const column = { value: (row) => (numeric ? numbers[row] : ranks[row]) };
  const ranks = numeric ? null : naturalRanks(rows.map((row) => row.cells[index].textContent));
  const order = Int32Array.from(rows.keys());
  sortRows(order, column, down);
  body.append(...[...order].map((row) => rows[row]));
}

function makeSortable(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    const sort = button(heading.textContent, () => {
      const state = heading.getAttribute("aria-sort");
      const down = state ? state === "ascending" : heading.matches(".number");
      headings.forEach((other) => other.removeAttribute("aria-sort"));
      heading.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortStaticTable(table, index, down);
    }, { class: "sort" });
    heading.replaceChildren(sort);
  });
}

function tableCsv(block) {
  const [head, ...rows] = [...block.querySelector("table").rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  saveCsv(block.id, head, rows);
}

// The picture of a figure as a file: its address is data, so nothing is requested.
function figureFile(figure) {
  const [kind, body] = figure.querySelector("img").getAttribute("src").split(/,(.*)/s);
  const data = kind.endsWith(";base64") ? bytesOfBase64(decodeURIComponent(body)) : decodeURIComponent(body);
  saveFile(`${figure.id}.svg`, "image/svg+xml", [data]);
}

// A heading with tools at its right.
function addTool(heading, tool) {
  const row = h("div", { class: "heading-row" });
  heading.replaceWith(row);
  row.append(heading, tool);
}

function enhanceStaticParts() {
  for (const block of document.querySelectorAll(".table-block:has(table)")) {
    const title = block.querySelector("h3");
    block.querySelectorAll("td.number, th.number[scope=row]").forEach(splitInterval);
    makeSortable(block.querySelector("table"));
    addTool(title, button("CSV", () => tableCsv(block), { class: "small", "aria-label": `CSV of ${title.textContent}` }));
  }
  for (const figure of document.querySelectorAll("figure")) {
    const title = figure.querySelector("h3");
    const picture = figure.querySelector(".picture");
    Object.entries({ role: "region", tabindex: "0", "aria-label": title.textContent })
      .forEach(([key, value]) => picture.setAttribute(key, value));
    addTool(title, button("SVG", () => figureFile(figure), { class: "small", "aria-label": `SVG of ${title.textContent}` }));
  }
}
