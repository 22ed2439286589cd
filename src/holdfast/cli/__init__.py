"""The command line. Commands import PyTorch only when they run, so that help appears at once."""

from holdfast.cli.main import main as main
