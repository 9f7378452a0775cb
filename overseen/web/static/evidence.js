// Moving over the facts moves the evidence: the source's tab opens, the span or box is marked and scrolled into view.

const panel = () => document.querySelector("[data-evidence]");

function show(sourceId) {
  const root = panel();
  if (!root || !sourceId) return;
  for (const source of root.querySelectorAll(".evidence-source")) source.hidden = source.id !== sourceId;
  for (const tab of root.querySelectorAll("[role=tab]")) {
    const chosen = tab.getAttribute("aria-controls") === sourceId;
    tab.setAttribute("aria-selected", String(chosen));
    tab.tabIndex = chosen ? 0 : -1;
  }
}

function mark(factId) {
  const root = panel();
  if (!root) return;
  let first = null;
  for (const element of root.querySelectorAll("[data-facts]")) {
    const own = element.dataset.facts.split(" ").includes(factId);
    element.classList.toggle("focused", own);
    if (own && !first && !element.closest("[hidden]")) first = element;
  }
  if (!first) return;
  first.closest("details")?.setAttribute("open", "");
  const source = first.closest(".evidence-source");
  const place = first.getBoundingClientRect();
  const frame = source.getBoundingClientRect();
  source.scrollBy({ top: place.top - frame.top - frame.height / 3 });
}

function choose(row) {
  for (const other of document.querySelectorAll("tr[data-fact].focused")) other.classList.remove("focused");
  row.classList.add("focused");
  show(row.dataset.source);
  mark(row.dataset.fact);
}

document.addEventListener("focusin", (event) => {
  const row = event.target.closest?.("tr[data-fact]");
  if (row) choose(row);
});
document.addEventListener("mouseover", (event) => {
  const row = event.target.closest?.("tr[data-fact]");
  if (row && !row.classList.contains("focused")) choose(row);
});

function moveTo(elements, current, step) {
  const next = elements[(elements.indexOf(current) + step + elements.length) % elements.length];
  for (const element of elements) element.tabIndex = element === next ? 0 : -1;
  next.focus();
  return next;
}

document.addEventListener("keydown", (event) => {
  const row = event.target.closest?.("[data-facts-table] .row-button");
  const tab = event.target.closest?.("[data-evidence] [role=tab]");
  const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
  if (!step || (!row && !tab)) return;
  if (row && event.key.startsWith("Arrow")) moveTo([...row.closest("table").querySelectorAll(".row-button")], row, step);
  if (tab) show(moveTo([...tab.parentElement.querySelectorAll("[role=tab]")], tab, step).getAttribute("aria-controls"));
  event.preventDefault();
});

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("[data-evidence] [role=tab]");
  if (tab) show(tab.getAttribute("aria-controls"));
});
