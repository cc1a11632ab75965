"""The host side of the WIT package `sluice:filter` (filters/wit): what a filter can read, write and be asked."""
