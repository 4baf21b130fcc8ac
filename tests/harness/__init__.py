"""What tests share and the product does not know: markers, waiting, processes, what is made once per session."""
