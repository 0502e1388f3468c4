"""What is made of scores: the whole walk, why one loop has its score, maps, one listening order, parts of a library."""
