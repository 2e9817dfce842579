"""Keeping a host in good order beyond cleaning it: images come back, stay fresh, are mended."""
