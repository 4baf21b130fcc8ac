"""Where tables live and how they are brought up to date; knows no table and no business rule."""
