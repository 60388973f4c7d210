// Events over time as an area, and a brush on it: drag with the mouse, or move its two ends by keyboard.
const STEPS = 1000;
const SVG = "http://www.w3.org/2000/svg";

const utc = (us, span) => {
  const text = new Date(us / 1000).toISOString().replace("T", " ").replace("Z", "");
  return span < 60e6 ? text : text.slice(0, 19);
};

const make = (parent, tag, className) => {
  const node = document.createElement(tag);
  node.className = className;
  parent.append(node);
  return node;
};

export default {
  render({ model, el }) {
    el.classList.add("ev", "ev-timeline");
    el.setAttribute("role", "group");
    const head = make(el, "div", "ev-timeline-head");
    const label = make(head, "span", "ev-label");
    const text = make(head, "output", "");
    const reset = make(head, "button", "jupyter-button widget-button ev-button");
    const plot = make(el, "div", "ev-timeline-plot");
    const svg = document.createElementNS(SVG, "svg");
    const area = document.createElementNS(SVG, "path");
    const picked = make(plot, "div", "ev-timeline-picked");
    svg.setAttribute("viewBox", "0 0 1000 100");
    svg.setAttribute("preserveAspectRatio", "none");
    svg.setAttribute("aria-hidden", "true");
    svg.append(area);
    plot.prepend(svg);
    reset.textContent = "Whole log";

    const bounds = () => [model.get("start_us"), model.get("end_us")];
    const placeOf = (us) => {
      const [start, end] = bounds();
      return end > start ? (us - start) / (end - start) : 0;
    };
    const timeAt = (place) => {
      const [start, end] = bounds();
      return place >= 1 ? end : start + Math.round((end - start) * Math.max(place, 0));
    };
    const thumb = (side) => {
      const input = make(plot, "input", `ev-timeline-${side}`);
      input.type = "range";
      input.min = 0;
      input.max = STEPS;
      input.step = 1;
      input.setAttribute("data-lm-suppress-shortcuts", "true"); // or JupyterLab keeps the arrow keys
      return input;
    };
    const [from, to] = [thumb("from"), thumb("to")];

    const draw = (value = model.get("value")) => {
      const [start, end] = bounds();
      const [low, high] = value;
      label.textContent = `${model.get("label")} (UTC)`;
      el.setAttribute("aria-label", label.textContent);
      text.textContent = `${utc(low, end - start)} – ${utc(high, end - start)}`;
      reset.disabled = low === start && high === end;
      picked.style.left = `${placeOf(low) * 100}%`;
      picked.style.width = `${(placeOf(high) - placeOf(low)) * 100}%`;
      from.value = Math.round(placeOf(low) * STEPS);
      to.value = Math.round(placeOf(high) * STEPS);
      for (const [input, name, us] of [[from, "from", low], [to, "to", high]]) {
        input.setAttribute("aria-label", `${model.get("label")}: ${name}, UTC`);
        input.setAttribute("aria-valuetext", `${utc(us, end - start)} UTC`);
      }
    };
    const drawArea = () => {
      const counts = model.get("counts");
      const most = Math.max(1, ...counts);
      const height = (count) => (count ? 100 - Math.max(2, 96 * (count / most)) : 100).toFixed(1);
      const width = 1000 / Math.max(counts.length, 1);
      const steps = counts.map((count, place) => `H${(place * width).toFixed(1)}V${height(count)}`);
      area.setAttribute("d", `M0 100${steps.join("")}H1000V100Z`);
      plot.title = `highest bar: ${most.toLocaleString("en")} events`;
    };
    const send = (value) => {
      model.set("value", value);
      model.save_changes();
      draw();
    };

    from.addEventListener("input", () => {
      const place = Math.max(0, Math.min(Number(from.value), Number(to.value) - 1));
      send([timeAt(place / STEPS), model.get("value")[1]]);
    });
    to.addEventListener("input", () => {
      const place = Math.max(Number(to.value), Number(from.value) + 1);
      send([model.get("value")[0], timeAt(place / STEPS)]);
    });
    reset.addEventListener("click", () => send(bounds()));

    let anchor = null; // where a drag began, as a part of the width
    const placeAt = (event) => {
      const box = plot.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    };
    const brushed = (event) => [anchor, placeAt(event)].sort((a, b) => a - b).map(timeAt);
    plot.addEventListener("pointerdown", (event) => {
      if (event.target.tagName === "INPUT" || event.button !== 0) return;
      anchor = placeAt(event);
      plot.setPointerCapture(event.pointerId);
      event.preventDefault();
    });
    plot.addEventListener("pointermove", (event) => {
      if (anchor !== null) draw(brushed(event));
    });
    plot.addEventListener("pointerup", (event) => {
      if (anchor === null) return;
      const value = brushed(event);
      const moved = Math.abs(placeAt(event) - anchor);
      anchor = null;
      if (moved > 0.003) send(value);
      else draw(); // a click changes nothing
    });
    plot.addEventListener("pointercancel", () => {
      anchor = null;
      draw();
    });
    plot.addEventListener("dblclick", () => send(bounds()));

    for (const name of ["label", "start_us", "end_us", "value"]) model.on(`change:${name}`, () => draw());
    model.on("change:counts", drawArea);
    draw();
    drawArea();
  },
};
