"""Where tables live and how they are brought up to date; contains no table and no business rule."""
