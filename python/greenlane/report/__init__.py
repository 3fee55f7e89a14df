"""One self-contained HTML page from what ``greenlane run``, ``profile`` and ``plan`` wrote.

``python -m greenlane.report results.json trace.json -o page.html`` is the interface; the modules are its own. A section
is a function from everything that was read to HTML, which is empty where there is nothing to show.
"""
