"""Tables and measurements as Plotly figures, without Streamlit."""
