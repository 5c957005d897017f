"""Launches the window of NVP Studio."""

import sys

from nvp_studio.app import main

if __name__ == "__main__":
    sys.exit(main())
