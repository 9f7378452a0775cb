"""`python -m overseen`."""

from overseen.cli import main

main()
