"""What a list of a command can be asked for: fields of its rows, orders, filters."""
