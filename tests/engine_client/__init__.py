"""The client for the Docker Engine API: where the engine is, connections, HTTP, its faults."""
