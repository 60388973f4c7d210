// Light or dark: as the system has it, until someone presses the button; the choice is kept for this browser.
(() => {
  const KEY = "evanalytics-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const kept = () => {
    try {
      return localStorage.getItem(KEY);
    } catch {
      return null; // storage is off: follow the system
    }
  };
  const isDark = () => (kept() ? kept() === "dark" : system.matches);
  const apply = () => {
    const dark = isDark();
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    for (const link of document.querySelectorAll('link[data-theme="dark"]')) link.media = dark ? "all" : "not all";
    if (document.body) document.body.dataset.jpThemeLight = String(!dark);
    const button = document.getElementById("app-theme");
    if (!button) return;
    button.textContent = dark ? "Light" : "Dark";
    button.setAttribute("aria-label", dark ? "Use the light theme" : "Use the dark theme");
    button.hidden = false;
  };
  apply();
  system.addEventListener("change", apply);
  document.addEventListener("DOMContentLoaded", apply);
  document.addEventListener("click", (event) => {
    if (event.target.id !== "app-theme") return;
    localStorage.setItem(KEY, isDark() ? "light" : "dark");
    apply();
  });
})();
