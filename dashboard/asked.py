"""How a panel was asked: its queries as they ran, below it."""

from __future__ import annotations

import streamlit as st

from circuit_atlas.dashboard.answers import Answer


def show_cypher(*answers: Answer) -> None:
    """Put an expander with queries, their statements and the same on the command line."""
    with st.expander("Cypher: " + ", ".join(dict.fromkeys(answer.name for answer in answers))):
        for answer in answers:
            st.caption(answer.summary)
            st.code(answer.cypher, language="cypher")
            st.code(answer.command, language="bash")
