"""The report as a page."""

from b2bpilot.ops.load.report import Report


def page(report: Report) -> str:
    return str(report.fields())
