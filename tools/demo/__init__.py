"""`make demo`: from nothing to a spoken file, with a table of where the time went."""
