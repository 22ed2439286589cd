"""Run as `python -m holdfast.cli`."""

from holdfast.cli.main import main

if __name__ == "__main__":
    main()
