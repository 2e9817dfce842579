"""Make input from outside safe: texts, files, the home folder."""
