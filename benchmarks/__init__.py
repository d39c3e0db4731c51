"""Programs that measure convcheck itself, and the machine that it runs on."""
