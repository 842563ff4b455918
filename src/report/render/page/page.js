// The page: switches of stacks, details of checks, links.

const dataOf = (page) => JSON.parse(page.getElementById("data").textContent);
// A live page replaces it together with the report.
let DATA = dataOf(document);
const hidden = new Set();

// The charts of all runs that show the same, and share their scales.
const peersOf = (id) =>
  Object.keys(DATA.charts).filter((other) => DATA.scales[other] === DATA.scales[id]).map((other) => DATA.charts[other]);

// The width of paper within its margins, A4 or letter, in CSS pixels.
const PAPER_WIDTH = 690;

const drawCharts = (paperWidth = null) => {
  for (const holder of document.querySelectorAll("[data-chart]")) {
    const chart = DATA.charts[holder.dataset.chart];
    // A closed section has no width.
    if (!chart || holder.clientWidth === 0) continue;
    const width = paperWidth ?? holder.clientWidth;
    holder.replaceChildren(new Drawing(DATA, hidden, width).draw(chart, holder.dataset.label, peersOf(holder.dataset.chart)));
    holder.dataset.width = width;
  }
};

const applySwitches = () => {
  for (const one of document.querySelectorAll("[data-stack]")) one.hidden = hidden.has(one.dataset.stack);
  const count = document.getElementById("shown-count");
  const shown = DATA.stacks.filter((stack) => !hidden.has(stack)).length;
  // A live page has no report at first.
  if (count) count.textContent = `${shown} of ${DATA.stacks.length}`;
  drawCharts();
};

const prepareSwitches = () => {
  const boxes = [...document.querySelectorAll("#switches input")];
  const drawing = new Drawing(DATA, hidden, 0);
  for (const box of boxes) {
    box.checked = !hidden.has(box.value);
    const swatch = box.parentElement.querySelector(".swatch");
    swatch.style.color = drawing.colour(box.value);
    swatch.style.borderTopStyle = drawing.dash(box.value) ? "dashed" : "solid";
    box.addEventListener("change", () => {
      if (box.checked) hidden.delete(box.value);
      else hidden.add(box.value);
      applySwitches();
    });
  }
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      const isShown = button.dataset.show === "all";
      for (const box of boxes) {
        box.checked = isShown;
        if (isShown) hidden.delete(box.value);
        else hidden.add(box.value);
      }
      applySwitches();
    });
  }
};

const textTable = (caption, header, rows) => {
  const head = element("tr", {}, ...header.map((text) => element("th", { scope: "col" }, text)));
  // A column without a heading has marks.
  const classOf = (column) => (header[column] === "" ? { class: "mark" } : {});
  const body = rows.map((cells) => element("tr", {}, ...cells.map((text, column) => element("td", classOf(column), text ?? "(none)"))));
  const table = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
  return element("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": caption }, table);
};

const clientSide = (details) => {
  const side = element("div", {}, element("h3", {}, "What the client got"));
  if (details.message !== null) side.append(element("p", {}, details.message));
  const response = details.response;
  if (!response) return side;
  side.append(element("p", {}, response.status));
  if (response.headers.length > 0) side.append(textTable("headers of the response", ["name", "value"], response.headers));
  if (response.body) side.append(element("pre", { tabindex: "0" }, response.body));
  if (response.left_out > 0) side.append(element("p", { class: "quiet" }, `Thinned: ${response.left_out} more characters.`));
  return side;
};

const appSide = (details) => {
  const side = element("div", {}, element("h3", {}, "What the application saw"));
  if (details.app.length > 0) side.append(textTable("the request at the application", ["field", "value"], details.app));
  if (details.received) {
    const { method, target, version, headers } = details.received;
    side.append(element("p", {}, `At the server: ${method} ${target} ${version}`));
    side.append(textTable("headers at the server", ["name", "value"], headers));
  }
  if (details.app.length === 0 && !details.received) {
    side.append(element("p", { class: "quiet" }, "The response does not show it; expectations of the application's view are among the findings."));
  }
  return side;
};

const showDetails = (details, stack) => {
  document.getElementById("details-title").textContent = `${details.check} on ${stack}`;
  const body = document.getElementById("details-body");
  body.replaceChildren(element("p", {}, element("code", {}, details.request)));
  if (details.findings.length > 0) {
    const failedFirst = [...details.findings].sort((one, other) => one.agrees - other.agrees);
    const rows = failedFirst.map((one) => [one.agrees ? "✓" : "✗ differs", one.field, one.expected, one.observed]);
    body.append(textTable("expectations", ["", "field", "expected", "observed"], rows));
  }
  if (details.differences.length > 0) {
    const rows = details.differences.map((one) => [one.field, one.reference, one.other]);
    body.append(textTable(`differences from ${details.reference}`, ["field", details.reference, stack], rows));
  }
  body.append(element("div", { class: "sides" }, clientSide(details), appSide(details)));
  for (const [title, lines] of details.logs) {
    body.append(element("h3", {}, title), element("pre", { tabindex: "0" }, lines.join("\n")));
  }
  document.getElementById("details").showModal();
};

const prepareReport = () => {
  const report = document.getElementById("report");
  report.querySelectorAll("table.sortable").forEach(prepareTable);
  prepareSwitches();
  for (const button of report.querySelectorAll("[data-details]")) {
    const stack = button.closest("[data-stack]").dataset.stack;
    button.addEventListener("click", () => showDetails(DATA.details[button.dataset.run][button.dataset.details], stack));
  }
  for (const button of report.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", () => copyText(document.getElementById(button.dataset.copy).textContent, button));
  }
  for (const block of report.querySelectorAll("pre.diff")) {
    const kinds = { "+": "added", "-": "removed" };
    const lines = block.textContent.split("\n");
    block.replaceChildren(...lines.map((line) => element("span", { class: kinds[line[0]] ?? "" }, `${line}\n`)));
  }
  applySwitches();
};

prepareReport();
let resizeTimer;
window.addEventListener("resize", () => {
  clearTimeout(resizeTimer);
  resizeTimer = setTimeout(() => drawCharts(), 100);
});
window.addEventListener("beforeprint", () => drawCharts(PAPER_WIDTH));
window.addEventListener("afterprint", () => drawCharts());
document.documentElement.dataset.ready = Math.round(performance.now()).toString();
