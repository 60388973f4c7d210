"""A log in one HTML file for a colleague: its traffic, its flaws, settings for it, filters for its ids."""

from evanalytics.report.findings import Findings, find
from evanalytics.report.write import report_html, write_report

__all__ = ["Findings", "find", "report_html", "write_report"]
