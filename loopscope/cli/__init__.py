"""The command `loopscope`, a module a subcommand.

Conventions: results go to standard output as bytes, so that the name of a file in invalid UTF-8 arrives as it is;
errors go to standard error, one sentence each; progress is shown on a terminal only. Exit status 0: done, and nothing
that was asked for is wrong; 1: something is; 2: it could not be done; 130: stopped by Ctrl-C; 141: nobody reads on.
Modules import what is large in the functions that need it, so that `--help` and `--version` answer at once.
"""
