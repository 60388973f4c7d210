// Says which part of a dashboard is running. Voila puts a placeholder into each part until it has run.
document.addEventListener("DOMContentLoaded", () => {
  const status = document.getElementById("app-status");
  const parts = document.getElementById("rendered_cells").querySelectorAll("[cell-index]").length;
  let begun = false;
  const watch = new MutationObserver(() => {
    const left = document.querySelectorAll(".voila-skeleton-container").length;
    begun ||= left > 0;
    if (!begun) return;
    const text = left ? `Running part ${parts - left + 1} of ${parts}` : "";
    if (status.textContent !== text) status.textContent = text; // a change of its own would call it again for ever
    if (!left) watch.disconnect();
  });
  watch.observe(document.body, { childList: true, subtree: true });
});
