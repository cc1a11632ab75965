"""The servers, one file each. `start(machine, origin)` starts one and yields its targets, or raises Missing."""
