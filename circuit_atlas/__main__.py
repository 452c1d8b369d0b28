"""`python -m circuit_atlas`: the command line."""

from circuit_atlas.cli import main

if __name__ == "__main__":
    main()
