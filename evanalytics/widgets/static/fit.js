// Plotly's FigureWidget does not notice that its place became wider or narrower; it does notice the window.
export default {
  render({ el }) {
    el.classList.add("ev-fit");
    const observer = new ResizeObserver(() => window.dispatchEvent(new Event("resize")));
    observer.observe(el);
    return () => observer.disconnect();
  },
};
