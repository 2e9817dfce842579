"""What the engine's own files tell of sizes: layers, logs, writable layers, what lies beside."""
