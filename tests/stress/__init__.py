"""CI jobs on a real engine while cleans run: nothing a job needs may go."""
