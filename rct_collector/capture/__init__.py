"""Files of recorded lines: read, whatever made them, and written."""
