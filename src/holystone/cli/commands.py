"""The commands, and what each does in a few words."""

from __future__ import annotations

COMMANDS = {
    "status": "show disk use and what a clean would free",
    "plan": "show what a clean would remove and keep, and why",
    "clean": "remove what the plan lists",
    "rm": "remove the images and other objects that you name",
    "explain": "show one object: its verdict and every reason",
    "images": "list images: size, shared, unique, verdict",
    "volumes": "list volumes: size, containers, verdict",
    "containers": "list containers: bytes written, log, verdict",
    "cache": "list build cache: step, bytes that come free, verdict",
    "audit": "name every byte of the engine's disk: where it went",
    "report": "write where the disk went into one HTML file",
    "config": "show, check or create the configuration",
    "lease": "reserve images for a job",
    "history": "list past runs and what each removed; export usage",
    "observe": "record which images were used since the last look",
    "restore": "bring back the images that a run removed",
    "verify": "find damaged images, and pull them again",
    "init": "add holystone to a CI system, make, docker or systemd",
    "protect": "find the images a repository needs, and protect them",
    "refresh": "pull newer versions of important tags",
    "replay": "simulate eviction policies on recorded usage",
    "agent": "watch this host, and keep its disk level: a daemon",
    "advise": "recommend a disk budget and watermarks for this host",
    "version": "show the version",
    "help": "show help: options and examples of a command",
}
