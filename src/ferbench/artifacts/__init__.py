"""Files that stages share: their paths, columns and records, checked when read and written."""
