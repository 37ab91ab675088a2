"""The report: one HTML file that needs no network, and figures and tables for papers."""
