"""The public face for looking: reports and a store → plain values that pages show.

Nothing in here knows Streamlit, draws, or writes anything but votes. The dashboard and the static
site are two hosts of the same values.
"""
