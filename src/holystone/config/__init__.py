"""``holystone.toml``: the owner's wishes, read from files and made a ``planner.policy.Policy``.

``load.load`` finds and reads the files; ``reading.policy_from`` reads one mapping. ``keys`` is the
one table of what can be configured: reading, the JSON Schema, the sample and the documentation
come from it.
"""
