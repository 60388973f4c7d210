for (const data of document.querySelectorAll("script[data-chart]")) {
  const place = document.getElementById(data.dataset.chart);
  const { data: traces, layout } = JSON.parse(data.textContent);
  Plotly.newPlot(place, traces, layout, {
    responsive: true,
    displayModeBar: false,
    displaylogo: false,
    plotlyServerURL: "",
  });
}
