"use strict";

// Tables: sorting by a column, copying as CSV.

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
};

const announce = (message) => {
  document.getElementById("status").textContent = message;
};

// Empty cells come last in either direction.
const compareCells = (one, other, direction) => {
  const [a, b] = [one, other].map((cell) => (cell?.dataset.value === undefined ? null : Number(cell.dataset.value)));
  if (a !== null && b !== null) return direction * (a - b);
  if (a !== null || b !== null) return a === null ? 1 : -1;
  return direction * (one?.textContent ?? "").localeCompare(other?.textContent ?? "", undefined, { numeric: true });
};

const sortRows = (table, column, direction) => {
  const head = table.tHead.rows[0].cells[column];
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", direction);
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((one, other) => compareCells(one.cells[column], other.cells[column], sign));
  table.tBodies[0].append(...rows);
};

const sortTable = (table, column) => {
  const head = table.tHead.rows[0].cells[column];
  const isNumeric = head.classList.contains("number");
  const before = head.getAttribute("aria-sort");
  // Numbers are first sorted from the largest.
  const next = before ? (before === "ascending" ? "descending" : "ascending") : isNumeric ? "descending" : "ascending";
  sortRows(table, column, next);
  announce(`sorted by ${head.textContent}, ${next}`);
};

// RFC 4180. A cell that a spreadsheet would take for a formula is marked as text.
const csvCell = (text) => {
  const plain = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text;
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
};

const tableAsCsv = (table) => {
  const rows = [...table.rows].filter((row) => !row.hidden);
  const cells = (row) => [...row.cells].filter((cell) => !cell.hidden).map((cell) => csvCell(cell.textContent.trim()));
  return rows.map((row) => cells(row).join(",")).join("\r\n") + "\r\n";
};

const copyText = async (text, button) => {
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    announce("copied");
  } catch {
    button.textContent = "Copying is not allowed here";
  }
  setTimeout(() => { button.textContent = label; }, 1500);
};

const prepareTable = (table) => {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button", { type: "button" }, head.textContent);
    button.addEventListener("click", () => sortTable(table, column));
    head.replaceChildren(button);
  });
  const copy = element("button", { type: "button", "data-csv": "" }, "Copy as CSV");
  copy.addEventListener("click", () => copyText(tableAsCsv(table), copy));
  table.parentElement.after(element("div", { class: "tools" }, copy));
};
