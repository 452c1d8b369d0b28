"""What `make` runs: checks of the machine, set-up, types, renewal of constraints."""
