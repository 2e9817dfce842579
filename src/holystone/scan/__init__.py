"""What images a repository asks for: read from its Dockerfiles, compose files and CI files.

``proposal.learn`` walks and reads; each kind of file has a module. Nothing is run, downloaded or
guessed: what a file does not settle is left out, with the reason.
"""
