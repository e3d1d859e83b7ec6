"""The second part: the same apps behind uvicorn, asked over connections of their own."""
