"""The contract both sides share. Import its modules; this file stays empty so that `ipc.paths` costs nothing."""
