"""Find the images that a repository needs, in its Dockerfiles, compose files and CI files.

``proposal.learn`` walks and reads; each kind of file has a module. Nothing is run, downloaded or
guessed: a reference that is not definite is left out, with the reason.
"""
