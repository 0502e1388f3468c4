"""Does a sample pack keep what it promises: the fault checks and a pack's own rules as a linter's findings.

Conventions: paths are absolute and exact (invalid UTF-8 as surrogates); a finding belongs to a file, and is known again
by the loop's content and its kind, so that it stays accepted when the file is renamed.
"""
