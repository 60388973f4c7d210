"""Finding events by id: which files may hold one, and whether a service has it."""
