"""Keeping a host in good order beyond cleaning it: what was removed comes back."""
