for (const table of document.querySelectorAll("table.sortable")) {
  const heads = table.querySelectorAll("thead th");
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const body = table.tBodies[0];
      const key = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const missing = text => ["nan", "<NA>", "None", ""].includes(text);
      [...body.rows].map(row => [key(row), row]).sort(([x], [y]) => {
        if (missing(x) || missing(y)) return missing(x) - missing(y); // last, whichever way
        const p = Number(x.replace("inf", "Infinity")), q = Number(y.replace("inf", "Infinity"));
        const order = isNaN(p) || isNaN(q) ? x.localeCompare(y) : (p > q) - (p < q);
        return up ? order : -order;
      }).forEach(([, row]) => body.append(row));
    });
  });
}
