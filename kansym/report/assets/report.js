"use strict";
// Tables that sort by a click on their heading, and buttons that copy a formula.
(() => {
  // Numbers by their value, other cells by their text; a cell without a number comes last either way.
  function compare(a, b, place, sign) {
    const [x, y] = [a, b].map((row) => row.cells[place]);
    const [p, q] = [x, y].map((cell) => ("value" in cell.dataset ? Number(cell.dataset.value) : NaN));
    if (Number.isNaN(p) !== Number.isNaN(q)) return Number.isNaN(p) ? 1 : -1;
    return sign * (Number.isNaN(p) ? x.textContent.localeCompare(y.textContent) : p - q);
  }

  function sort(table, heading) {
    const place = [...heading.parentElement.cells].indexOf(heading);
    const down = heading.getAttribute("aria-sort") === "ascending";
    for (const other of heading.parentElement.cells) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    body.append(...[...body.rows].sort((a, b) => compare(a, b, place, down ? -1 : 1)));
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      if (!heading.textContent || heading === heading.parentElement.lastElementChild) continue;
      const button = document.createElement("button");
      button.type = "button";
      button.append(...heading.childNodes);
      button.addEventListener("click", () => sort(table, heading));
      heading.append(button);
    }
  }

  // Pages that are opened from a disk may lack the clipboard's newer way.
  async function copy(text) {
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* the older way below */ }
    }
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }

  for (const button of document.querySelectorAll("button[data-copy]")) {
    const name = button.textContent;
    button.addEventListener("click", async () => {
      button.textContent = (await copy(button.dataset.copy)) ? "copied" : "not copied";
      setTimeout(() => { button.textContent = name; }, 1200);
    });
  }
})();
