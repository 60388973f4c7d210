// anywidget gives up on a widget whose script is not there within two seconds, and a figure brings five megabytes.
// On a busy machine that takes longer; here nothing is given up within a minute.
(() => {
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (milliseconds) => timeout(Math.max(milliseconds, 60_000));

  // JupyterLab takes it for an extension: that is a container of modules, and its module a plugin.
  const plugin = { id: "evanalytics-patience:plugin", autoStart: true, activate: () => {} };
  const container = { init: () => {}, get: async () => () => ({ __esModule: true, default: plugin }) };
  window._JUPYTERLAB = { ...window._JUPYTERLAB, "evanalytics-patience": container };
})();
