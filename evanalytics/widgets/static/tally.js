// Names with a swatch, a bar and a count; with check boxes where they select. Names are text, never HTML.
const number = new Intl.NumberFormat("en");

const make = (parent, tag, className, text = "") => {
  const node = document.createElement(tag);
  node.className = className;
  node.textContent = text;
  parent.append(node);
  return node;
};

export default {
  render({ model, el }) {
    el.classList.add("ev", "ev-tally");
    el.setAttribute("role", "group");
    let rows = [];
    let toggle = null;

    const isWhole = () => model.get("checked").length === model.get("names").length;
    const choose = (checked) => {
      model.set("checked", checked);
      model.save_changes();
    };
    const build = () => {
      const selectable = model.get("selectable");
      const names = model.get("names");
      el.replaceChildren();
      el.classList.toggle("ev-selectable", selectable);
      el.setAttribute("aria-label", model.get("label"));
      toggle = null;
      const head = make(el, "div", "ev-tally-head");
      make(head, "span", "ev-label", model.get("label"));
      if (selectable && names.length > 1) {
        toggle = make(head, "button", "jupyter-button widget-button ev-button");
        toggle.addEventListener("click", () => choose(isWhole() ? [] : names.map((_, place) => place)));
      } else {
        make(head, "span", "ev-unit", model.get("unit"));
      }
      const list = make(el, "div", "ev-tally-list");
      rows = names.map((name, place) => {
        const row = make(list, selectable ? "label" : "div", "ev-tally-row");
        const box = selectable ? make(row, "input", "") : null;
        if (box) {
          box.type = "checkbox";
          box.addEventListener("change", () => {
            const rest = model.get("checked").filter((other) => other !== place);
            choose(box.checked ? [...rest, place].sort((a, b) => a - b) : rest);
          });
        }
        row.title = name;
        row.style.setProperty("--ev-color", model.get("colors")[place] ?? "var(--ev-accent)");
        make(row, "span", "ev-name", name);
        return { row, box, count: make(row, "span", "ev-count"), bar: make(row, "span", "ev-bar") };
      });
      draw();
    };
    const draw = () => {
      const counts = model.get("counts");
      const checked = new Set(model.get("checked"));
      const most = Math.max(1, ...counts);
      if (toggle) toggle.textContent = isWhole() ? "None" : "All";
      if (toggle) toggle.setAttribute("aria-label", `${model.get("label")}: ${toggle.textContent.toLowerCase()}`);
      rows.forEach(({ row, box, count, bar }, place) => {
        if (box) box.checked = checked.has(place);
        row.classList.toggle("ev-off", Boolean(box) && !box.checked);
        count.textContent = number.format(counts[place] ?? 0);
        bar.style.setProperty("--ev-part", (counts[place] ?? 0) / most);
        if (box) box.setAttribute("aria-label", `${row.title}, ${count.textContent} ${model.get("unit")}`);
      });
    };
    for (const name of ["label", "names", "colors", "selectable", "unit"]) model.on(`change:${name}`, build);
    for (const name of ["counts", "checked"]) model.on(`change:${name}`, draw);
    build();
  },
};
