// A labelled native range input over a list of stops. Arrow keys, Page Up/Down, Home and End work.
let made = 0;

export default {
  render({ model, el }) {
    const id = `ev-slider-${Date.now()}-${made++}`;
    const label = document.createElement("label");
    const input = document.createElement("input");
    const output = document.createElement("output");
    el.classList.add("ev", "ev-slider");
    label.htmlFor = input.id = id;
    output.htmlFor = id;
    input.type = "range";
    input.min = 0;
    input.step = 1;
    input.setAttribute("data-lm-suppress-shortcuts", "true"); // or JupyterLab keeps the arrow keys
    el.append(label, input, output);

    const written = (place) => `${model.get("texts")[place] ?? ""} ${model.get("unit")}`.trim();
    const show = (place) => {
      output.textContent = written(place);
      input.setAttribute("aria-valuetext", written(place));
      input.style.setProperty("--ev-part", place / Math.max(1, input.max));
    };
    let held = false; // while the thumb is held, it follows the hand and not the kernel
    const draw = () => {
      if (held) return;
      const stops = model.get("stops");
      const unit = model.get("unit");
      label.textContent = model.get("label");
      input.setAttribute("aria-label", unit ? `${model.get("label")}, ${unit}` : model.get("label"));
      input.max = Math.max(0, stops.length - 1);
      input.value = Math.max(0, stops.indexOf(model.get("value")));
      input.disabled = model.get("disabled");
      show(Number(input.value));
    };
    const send = () => {
      model.set("value", model.get("stops")[Number(input.value)]);
      model.save_changes();
    };
    input.addEventListener("pointerdown", () => (held = true));
    for (const name of ["pointerup", "pointercancel", "blur"]) input.addEventListener(name, () => (held = false));
    input.addEventListener("input", () => {
      show(Number(input.value));
      if (model.get("continuous")) send();
    });
    input.addEventListener("change", () => {
      if (!model.get("continuous")) send();
    });
    for (const name of ["label", "unit", "stops", "texts", "value", "disabled"]) model.on(`change:${name}`, draw);
    draw();
  },
};
