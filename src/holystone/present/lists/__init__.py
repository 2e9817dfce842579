"""The options of a list: fields of its rows, sort orders, filters."""
