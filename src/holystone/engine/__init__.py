"""The Docker Engine API, as Docker and Podman speak it."""
