"""What outlives the process: SQLite files in STATE_DIR. Everything here blocks: call it from a thread."""
