"""Workbooks of spreadsheet programs, cell by cell, as a person sees them there (docs/adr/0021-workbooks.md)."""
