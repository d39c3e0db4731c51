const bodies = [...document.querySelectorAll("tbody")], search = document.querySelector("input");
const tiles = [...document.querySelectorAll(".tile")], notice = document.querySelector("[role=status]");
let only = "", texts;
function choose() {
  const wanted = search.value.toLowerCase().split(/\s+/);
  // Thousands of texts take a while to read, and nobody may search.
  texts ??= new Map(bodies.map(body => [body, body.textContent.toLowerCase()]));
  let shown = 0;
  for (const body of bodies) {
    body.hidden = (only && !body.classList.contains(only)) || !wanted.every(word => texts.get(body).includes(word));
    shown += !body.hidden;
  }
  for (const section of document.querySelectorAll("section")) section.hidden = !section.querySelector("tbody:not([hidden])");
  notice.textContent = shown < bodies.length ? `${shown} of ${bodies.length} shown` : "";
}
for (const tile of tiles) tile.onclick = () => {
  only = tile.dataset.only;
  for (const other of tiles) other.setAttribute("aria-pressed", other === tile);
  choose();
};
function sort(table, head) {
  const down = head.getAttribute("aria-sort") === "ascending", column = head.cellIndex;
  const key = body => {
    const cell = body.rows[0].cells[column];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
  };
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const {compare} = new Intl.Collator(undefined, {numeric: true});
  const keyed = [...table.tBodies].map(body => [key(body), body]);
  keyed.sort(([a], [b]) => typeof a === "number" ? a - b : compare(a, b));
  table.append(...(down ? keyed.reverse() : keyed).map(([, body]) => body));
}
for (const head of document.querySelectorAll("thead th")) head.firstChild.onclick = () => sort(head.closest("table"), head);
async function copy(button) {
  const line = button.previousElementSibling, what = button.ariaLabel.replace("Copy ", "");
  let copied = true;
  try { await navigator.clipboard.writeText(line.textContent); } catch {
    // Older browsers, and pages that are not trusted, copy what is selected.
    getSelection().selectAllChildren(line);
    copied = document.execCommand("copy");
  }
  button.textContent = copied ? "Copied" : "Selected";
  notice.textContent = copied ? `Copied ${what}` : `Selected ${what}; copy it by key`;
  setTimeout(() => button.textContent = "Copy", 2000);
}
document.addEventListener("click", event => {
  const button = event.target.closest(".copy");
  if (button) copy(button);
});
for (const button of document.querySelectorAll("button")) button.disabled = button.hidden = false;
search.oninput = choose;
search.hidden = false;
