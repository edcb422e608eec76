"use strict";
// Small tools for the page: elements, texts that are safe to show, numbers, CSV.
// Texts of models and data reach the page only as text nodes. Nothing here parses markup.

document.documentElement.classList.add("js");

// Characters that are invisible or reorder their neighbours, and lone surrogates.
const HIDDEN =
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\u{e0000}-\u{e007f}]/gu;
const SVG = "http://www.w3.org/2000/svg";

function codePoint(character) {
  return "U+" + character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

// The text with hidden characters written out, for attributes, options and files.
function visible(text) {
  return String(text).replace(HIDDEN, (character) => `⟨${codePoint(character)}⟩`);
}

// Appends a text; hidden characters become marked escapes.
function appendText(parent, text) {
  let from = 0;
  for (const match of text.matchAll(HIDDEN)) {
    parent.append(text.slice(from, match.index));
    const mark = document.createElement("span");
    mark.className = "escape";
    mark.textContent = codePoint(match[0]);
    parent.append(mark);
    from = match.index + match[0].length;
  }
  parent.append(text.slice(from));
  return parent;
}

// An element: attributes, `on` for listeners, then children (texts or nodes; null is left out).
function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else {
      element.setAttribute(key, value === true ? "" : visible(value));
    }
  }
  for (const child of children.flat()) {
    if (child === null || child === undefined) continue;
    if (child instanceof Node) element.append(child);
    else appendText(element, String(child));
  }
  return element;
}

function svg(tag, attributes, ...children) {
  const element = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

// A labelled select. `options` is a list of [value, text].
function choice(label, options, onChange, kind = "") {
  const select = h("select", { on: { change: () => onChange(select.value) } });
  for (const [value, text] of options) select.append(h("option", { value }, visible(text)));
  const element = h("label", { class: `field ${kind}` }, h("span", {}, label), select);
  return { element, select };
}

function button(text, onClick, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click: onClick } }, text);
}

// Controls of a view: nothing is ever sent.
function controlForm(...children) {
  return h("form", { class: "controls", on: { submit: (event) => event.preventDefault() } }, ...children);
}

// The line above a long table: the count of matches and a button that saves the rows as CSV.
function tableTools(count, what, name, table) {
  const save = () => saveCsv(name(), table.columns.map(({ title }) => title), table.csv());
  return h("div", { class: "toolbar" }, count, button("CSV", save, { class: "small", "aria-label": `CSV of these ${what}` }));
}

// The beginning of a text on one line, not cut inside a character.
function shortened(text, length) {
  const line = text.replace(/\s+/g, " ").trim();
  return line.length <= length ? line : line.slice(0, length).replace(/[\ud800-\udbff]$/, "") + "…";
}

// ---- Numbers ----

function whole(number) {
  return number.toLocaleString("en-US");
}

function decimals(number, places) {
  return Number.isFinite(number) ? number.toFixed(places) : "–";
}

// A fee with four significant digits and no exponent.
function money(number) {
  if (!Number.isFinite(number)) return "–";
  if (number === 0) return "0";
  const places = Math.max(0, Math.min(10, 3 - Math.floor(Math.log10(Math.abs(number)))));
  return number.toFixed(places);
}

function plural(number, one, many) {
  return `${whole(number)} ${number === 1 ? one : many}`;
}

// ---- CSV ----

// What may begin with a sign: "+28.1 pp [+21.3, +34.9]".
const SIGNED_NUMBER = /^[+-][\d.,]+( ?(pp|%))?( ?\[[-+\d., ]*\])?( ?(pp|%))?$/;

// A cell of a CSV file. A text that a spreadsheet could take for a formula gets an apostrophe.
function csvCell(value) {
  if (typeof value === "number") return Number.isFinite(value) ? String(Number(value.toPrecision(9))) : "";
  let text = visible(value ?? "");
  const first = text.trimStart();
  if (/^[=@]/.test(first) || (/^[+-]/.test(first) && !SIGNED_NUMBER.test(first))) text = `'${text}`;
  return /[",\n\r\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function saveFile(name, type, parts) {
  const address = URL.createObjectURL(new Blob(parts, { type }));
  const link = h("a", { href: address, download: name.replace(/[^\w.-]+/g, "-") });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

function saveCsv(name, headings, rows) {
  const lines = [headings.map(csvCell).join(",") + "\n"];
  for (const row of rows) lines.push(row.map(csvCell).join(",") + "\n");
  saveFile(`${name}.csv`, "text/csv", lines);
}
