"""The stages a chain can have, one file per name allowed in the YAML."""
