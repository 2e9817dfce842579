"""Text for people, a file per command. Each ``render`` returns the whole text.

The text uses the characters and the width its ``Look`` says; ``Output.write`` replaces what the
stream cannot show.
"""
