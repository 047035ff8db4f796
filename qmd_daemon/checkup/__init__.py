"""What `qmd doctor` looks at that only the daemon's code understands. Reads everything, changes nothing."""
