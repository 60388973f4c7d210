// JupyterLab moves between cells with the arrow keys, unless what has the focus says that it needs them itself.
const keep = (event) => {
  if (event.target.matches?.(".ev-app select")) event.target.setAttribute("data-lm-suppress-shortcuts", "true");
};
export default {
  render({ el }) {
    el.style.display = "none";
    document.addEventListener("focusin", keep); // the same function twice is one listener
  },
};
