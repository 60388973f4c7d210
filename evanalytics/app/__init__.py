"""The notebooks in a browser: as JupyterLab, or as dashboards without code."""
