"""Reports and a store → the plain values that the dashboard and the static site show.

No module here knows Streamlit. Only votes and the site write files. `components/` holds the scripts
that draw.
"""
