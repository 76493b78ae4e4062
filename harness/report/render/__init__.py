"""What the report is written as: HTML page, Markdown, LaTeX tables, README."""
