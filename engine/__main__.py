"""The command line: `python -m engine "a red house on snow at night" --scales 1,2,4 --out runs`."""

import sys

from engine.command_line.main import main

if __name__ == "__main__":
    sys.exit(main())
