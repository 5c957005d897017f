"""`python -m nvp_studio` is the command line."""

from nvp_studio.cli import main

if __name__ == "__main__":
    main()
