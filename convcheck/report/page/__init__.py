"""What the page of results is made of: texts as markup, the row of a result, and what it unfolds."""
