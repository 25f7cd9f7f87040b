"""What there is: recipes, benchmarks, suites, metrics with their caveats, and data sources."""

from __future__ import annotations

import streamlit as st

from dashboard import session
from harness import plugins
from harness.errors import HarnessError
from harness.escaping import command
from harness.interfaces import MetricSpec
from harness.pages.benchmark import PromptSuite
from harness.pages.catalogue import catalogue
from harness.pages.folders import available, find
from harness.pages.yaml import load_page
from harness.views.datasets import datasets

KINDS = (
    "recipes",
    "benchmarks",
    "suites",
    "datasets",
    "metrics",
    "extractors",
    "sources",
    "optimizers",
    "executors",
)


def main() -> None:
    st.title("Catalogue")
    with st.container(horizontal=True):
        kind = st.segmented_control(
            "Kind", KINDS, default="recipes", key="kind", bind="query-params", required=True
        )
        words = st.text_input("Search", key="words", bind="query-params", width=320)
    if kind == "datasets":
        session.show_table(sets(words), alt="datasets", height="content")
        st.caption("Each result, and the report of each data step, names versions and licences.")
        return
    entries = [
        each
        for each in catalogue([kind])[kind]
        if words.lower() in f"{each['name']} {each['summary']}".lower()
    ]
    if kind == "metrics":
        metrics(entries)
        return
    session.show_table(entries, alt=kind, height="content")
    if kind in ("recipes", "benchmarks", "suites") and entries:
        page(kind, [each["name"] for each in entries])


def sets(words: str) -> list[dict[str, object]]:
    """Return the datasets of recipes that match these words."""
    return [each for each in datasets() if words.lower() in str(each).lower()]


def page(kind: str, names: list[str]) -> None:
    """Show one page as it is written, and the commands that use it."""
    name = st.selectbox("Page", names, key="page", bind="query-params")
    if kind == "recipes":
        verbs = ("plan", "rehearse", "run")
        st.code("\n".join(command(verb, name) for verb in verbs), language="bash")
    if kind == "suites":
        prompts(name)
    file = available(kind.removesuffix("s"))[name]
    st.code(file.read_text(encoding="utf-8", errors="replace"), language="yaml")


def prompts(name: str) -> None:
    try:
        suite = load_page(PromptSuite, find("suite", name))
    except HarnessError as error:
        st.warning(session.escaped(str(error)))
        return
    rows = [
        {"id": each.id, "text": each.text, "negative": each.negative or "", "tags": list(each.tags)}
        for each in suite.prompts
    ]
    session.show_table(
        rows,
        alt=f"prompts of {name}",
        column_config={"text": st.column_config.TextColumn(width="large")},
    )


def metrics(entries: list[dict[str, str]]) -> None:
    """Show every metric with its inputs and limits."""
    specs = plugins.specs("metrics")
    for entry in entries:
        spec = specs.get(entry["name"])
        if spec is None or not issubclass(spec, MetricSpec):
            continue
        arrow = "↑" if spec.higher_is_better else "↓"
        with st.expander(f"{entry['name']} {arrow} · {spec.family}"):
            st.text(spec.summary)
            st.text(" ".join((spec.__doc__ or "").split()))
            st.caption(session.escaped(_reads(spec)))


def _reads(spec: type[MetricSpec]) -> str:
    parts = [f"judges {spec.judges}", f"reads {', '.join(spec.reads) or 'the images alone'}"]
    if spec.must_detect:
        parts.append(f"must detect {', '.join(spec.must_detect)}")
    if spec.biased_by_n:
        parts.append("its value depends on N, so its name holds N")
    if spec.by_exchange:
        parts.append("a permutation test tells two results apart")
    return "; ".join([*parts, f"version {spec.version}"])


main()
