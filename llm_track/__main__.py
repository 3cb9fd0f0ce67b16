"""`python -m llm_track`."""

import sys

from llm_track.cli import main

if __name__ == "__main__":
    sys.exit(main())
