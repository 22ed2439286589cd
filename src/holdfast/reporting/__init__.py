"""Reports: one view of some claims, shown as HTML, Markdown or in the terminal."""

from holdfast.reporting.html import to_html as to_html
from holdfast.reporting.html import write_report as write_report
from holdfast.reporting.markdown import to_markdown as to_markdown
from holdfast.reporting.terminal import print_terminal as print_terminal
from holdfast.reporting.view import Report as Report
from holdfast.reporting.view import view as view
