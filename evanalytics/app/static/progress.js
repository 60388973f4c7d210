// Says which part of a dashboard is running, and lets the keyboard reach what scrolls sideways.
const SCROLLS = ".jp-OutputArea-output, .ev-app .widget-html, .ev-app .widget-tab-contents";

const reach = () => {
  for (const box of document.querySelectorAll(SCROLLS)) {
    if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
  }
};

document.addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("app-status");
  const parts = document.getElementById("rendered_cells").querySelectorAll("[cell-index]").length;
  let begun = false;
  let due = 0;
  // Voila puts a placeholder into each part until it has run.
  const watch = new MutationObserver(() => {
    clearTimeout(due);
    due = setTimeout(reach, 300);
    const left = document.querySelectorAll(".voila-skeleton-container").length;
    begun ||= left > 0;
    if (!begun) return;
    const text = left ? `Running part ${parts - left + 1} of ${parts}` : "";
    if (status.textContent !== text) status.textContent = text; // a change of its own would call it again for ever
  });
  watch.observe(document.body, { childList: true, subtree: true });
  addEventListener("resize", reach);
});
