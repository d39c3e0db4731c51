const bodies = [...document.querySelectorAll("tbody")], search = document.querySelector("input");
const tiles = [...document.querySelectorAll(".tile")], heads = [...document.querySelectorAll("th")];
const texts = new Map(bodies.map(body => [body, body.textContent.toLowerCase()]));
let only = "";
function choose() {
  const wanted = search.value.toLowerCase().split(/\s+/);
  for (const body of bodies)
    body.hidden = (only && !body.classList.contains(only)) || !wanted.every(word => texts.get(body).includes(word));
}
for (const tile of tiles) tile.onclick = () => {
  only = tile.dataset.only;
  for (const other of tiles) other.setAttribute("aria-pressed", other === tile);
  choose();
};
heads.forEach((head, column) => head.firstChild.onclick = () => {
  const down = head.getAttribute("aria-sort") === "ascending", key = body => {
    const cell = body.rows[0].cells[column];
    return "sort" in cell.dataset ? Number(cell.dataset.sort) : cell.textContent;
  };
  for (const other of heads) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const compare = (a, b) => typeof a === "number" ? a - b : a.localeCompare(b, undefined, {numeric: true});
  const sorted = [...bodies].sort((a, b) => compare(key(a), key(b)));
  document.querySelector("table").append(...(down ? sorted.reverse() : sorted));
});
for (const button of document.querySelectorAll("button")) button.disabled = false;
search.oninput = choose;
search.hidden = false;
