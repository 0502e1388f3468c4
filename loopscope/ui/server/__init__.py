"""What the server answers beside Streamlit's own traffic, its headers, its log and its memory."""
