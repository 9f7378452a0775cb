"""The words of the house as types: no input or output, importable from every floor."""
