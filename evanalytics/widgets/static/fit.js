// Plotly's FigureWidget does not notice that its place became wider or narrower; it does notice the window.
// Its script may also arrive long after its place has its size; then it is told once more, when it has drawn.
export default {
  render({ el }) {
    el.classList.add("ev-fit");
    const fit = () => window.dispatchEvent(new Event("resize"));
    let box = null;
    const drawn = new MutationObserver(() => {
      if (!box.querySelector(".main-svg")) return;
      drawn.disconnect();
      fit();
    });
    const size = new ResizeObserver(() => {
      fit();
      if (box) return;
      box = el.closest(".ev-figure");
      if (box) drawn.observe(box, { childList: true, subtree: true });
    });
    size.observe(el);
    return () => {
      size.disconnect();
      drawn.disconnect();
    };
  },
};
