"""The words after `ferbench`; each file is one of them."""
