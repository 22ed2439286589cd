"""Reports: one view of some claims, shown as HTML, Markdown or in the terminal."""

from holdfast.reporting.html import to_html, write_report
from holdfast.reporting.markdown import to_markdown
from holdfast.reporting.terminal import print_terminal
from holdfast.reporting.view import Report, view

__all__ = ["Report", "print_terminal", "to_html", "to_markdown", "view", "write_report"]
