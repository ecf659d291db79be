// A click on a heading sorts the table by that column; reference rows stay at the end.
for (const button of document.querySelectorAll("th button")) {
  button.addEventListener("click", () => {
    const head = button.parentElement, body = head.closest("table").tBodies[0];
    const rising = head.getAttribute("aria-sort") !== "ascending";
    for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const value = (row) => row.cells[head.cellIndex].dataset.raw;
    const compare = (a, b) => {
      const [x, y] = [value(a), value(b)], [p, q] = [parseFloat(x), parseFloat(y)];
      if (!head.classList.contains("num")) return x.localeCompare(y) * (rising ? 1 : -1);
      if (isNaN(p) || isNaN(q)) return isNaN(p) - isNaN(q);
      return (p - q) * (rising ? 1 : -1);
    };
    const rows = [...body.rows];
    body.append(...rows.filter((row) => !row.classList.contains("note")).sort(compare),
                ...rows.filter((row) => row.classList.contains("note")));
  });
}
