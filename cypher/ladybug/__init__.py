"""The embedded engine: one file on disk, several processes."""
