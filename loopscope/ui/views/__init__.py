"""What each page shows, one module a page, and the parts of pages that are long enough to stand alone."""
