"""Registries: the user's logins, what they still have, and pulls from them."""
