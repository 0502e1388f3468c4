"""`python -m loopscope` is the command `loopscope`."""

from loopscope.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
