// anywidget gives up on a widget whose script is not there within two seconds, and a figure brings five megabytes.
// On a busy machine that takes longer; here nothing is given up within a minute.
(() => {
  const timeout = AbortSignal.timeout.bind(AbortSignal);
  AbortSignal.timeout = (milliseconds) => timeout(Math.max(milliseconds, 60_000));
})();
