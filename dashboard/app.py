"""The script that Streamlit runs: `streamlit run app.py -- URL`."""

import sys

from circuit_atlas.dashboard.page import show_page

show_page(sys.argv[1:])
