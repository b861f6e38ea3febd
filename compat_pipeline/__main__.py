"""`python -m compat_pipeline` is the `compat` command."""

from compat_pipeline.command.main import main

if __name__ == "__main__":
    main()
