"""Small components that several pages show: figures, downloads, a player, tables by the page."""
