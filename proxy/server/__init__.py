"""The process: from a configuration to something that serves, drains and reloads."""
