"""The servers, one file each. `start(machine, site)` starts one and yields its targets, or raises Missing."""
