"""The Streamlit pages that draw what the graph holds."""
