"""``python -m holystone``, the same as the command."""

from holystone.cli.main import entry

if __name__ == "__main__":
    entry()
