"""`python -m memoryd`."""

from memoryd import main

main()
