"""What pages, JSON and the command line read, and the JSON API itself."""
