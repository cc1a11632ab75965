"""The YAML file: its options, how it is read, and its JSON Schema."""
