"""BuildKit, through the engine: the build cache and its records of builds."""
