"""`python -m segmentation_assets.cli`, as the command itself."""

from segmentation_assets.cli.main import main

main()
