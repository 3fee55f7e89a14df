"""Makes one self-contained HTML page from the files that ``greenlane run``, ``profile`` and ``plan`` wrote.

``python -m greenlane.report results.json trace.json -o page.html`` is the interface; the modules are internal. A
section is a function that turns everything that was read into HTML, which is empty if there is nothing to show.
"""
