"""What authors of filters need: describe a component, test it, begin one, build it."""
