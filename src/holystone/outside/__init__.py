"""What comes from outside is hostile until it is cleaned: texts, files, the home folder."""
