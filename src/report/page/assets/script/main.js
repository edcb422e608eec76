// Start of the page and its addresses: #overview, #items, #item=ID, #strategies, #strategy=CELL:ID, ...

let data = null;
const views = {};
const VIEWS = { items: ItemsView, strategies: StrategiesView, compare: CompareView };

function showFailure(error) {
  const line = document.getElementById("failure");
  line.hidden = false;
  const advice = "Use a current browser, or write the report again.";
  line.textContent = visible(`The data of this report cannot be read: ${error.message}. ${advice}`);
  console.error(error);
}

// ---- Addresses ----

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// {section, item, cell, target} of an address.
function parseAddress(hash) {
  const text = hash.slice(1);
  const [name, value] = text.split(/=(.*)/s);
  if (name === "item" && value !== undefined) return { section: "items", item: decoded(value) };
  if (name === "strategy" && value !== undefined) {
    const [cell, item] = value.split(/:(.*)/s);
    return { section: "strategies", cell: Number(cell), item: decoded(item ?? "") };
  }
  const target = document.getElementById(decoded(text));
  const section = target?.closest("main > section")?.id;
  return section ? { section, target: target.id === section ? null : target } : { section: text === "main" ? null : "overview" };
}

function showSection(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  for (const link of document.querySelectorAll("nav.sections a")) {
    if (link.getAttribute("href") === `#${name}`) {
      link.setAttribute("aria-current", "page");
      link.parentElement.parentElement.scrollLeft = link.offsetLeft - 60;
    } else link.removeAttribute("aria-current");
  }
}

async function viewOf(name) {
  const section = document.getElementById(name);
  if (!views[name]) {
    const waiting = h("p", { class: "hint", role: "status" }, "Reading the records …");
    if (!section.querySelector(".hint")) section.append(waiting);
    await data.load();
    section.querySelectorAll(":scope > .hint").forEach((line) => line.remove());
    views[name] ??= new VIEWS[name](section, data);
  }
  return views[name];
}

async function route() {
  const address = parseAddress(location.hash);
  if (address.section === null) return;
  const changed = document.getElementById(address.section).hidden;
  showSection(address.section);
  if (changed && !address.target) window.scrollTo(0, 0);
  if (address.target) address.target.scrollIntoView();
  if (!VIEWS[address.section]) return;
  const view = await viewOf(address.section);
  if (location.hash && parseAddress(location.hash).item !== address.item) return;
  if (address.item === undefined) {
    view.showList?.();
    return;
  }
  const item = data.itemOfId.get(address.item);
  if (item === undefined) view.showList?.();
  else if (address.section === "items") view.showItem(item);
  else if (data.meta.cells[address.cell]) await view.show(address.cell, item);
}

function go() {
  route().catch(showFailure);
}

// ---- Start ----

document.addEventListener("DOMContentLoaded", () => {
  data = new Data(JSON.parse(document.getElementById("meta").textContent));
  enhanceStaticParts();
  window.addEventListener("hashchange", go);
  go();
  const idle = window.requestIdleCallback ?? setTimeout;
  idle(() => data.load().then(() => performance.mark("data-loaded")).catch(showFailure));
});
