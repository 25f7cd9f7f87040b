"""The documentation is executed: README.md and docs/ run, and show what came out.

The blocks of a page run in its own folder, in their order:

    ```bash                 commands; each must end in 0
    ```console              the same with `$ ` before each command and its output below
    ```python               in one namespace a page; `>>>` shows values, as in doctest
    ```text                 below one of these: what it printed
    ```yaml title="FILE"    written into the folder; what lies in recipes/ or prompts/ is checked
    ```LANGUAGE             anything else is only shown

`…` in an output stands for anything: on a line of its own for any number of lines. Seconds, paths
of the folder and what a run reused are no difference. What a command says on stderr belongs to its
output only where it fails or where stdout stays empty.

A comment before a block, or alone at the top of the page, holds marks:

    <!-- run: setup shipped -->     reports/ as they ship, with the real figures of the pocket world
    <!-- run: setup pocket -->      a store in which pocket-ninja and its sisters are made already
    <!-- run: setup finished -->    the same with their results in reports/
    <!-- run: setup pictures -->    renders/, real/ and prompts.csv beside whatever else is there
    <!-- run: exit 3 -->            the last command of the next block ends in 3
    <!-- run: skip reason="…" -->   the next block does not run, and why
    <!-- run: unlike reason="…" --> it runs, but its output is another each time, and why
    <!-- run: within FILE -->       this part of a page is checked in place of FILE's own fields
    <!-- run: elsewhere FILE -->    the test FILE runs every block of this page
    <!-- run: hidden
    commands that the reader does not see
    -->

Without a setup the folder is empty, as a reader's is. In `pocket` and `finished` small recipes and
a small benchmark stand in for those of the pocket world, so that a page takes a second: it runs,
but its outputs are compared only with HARNESS_DEMO=FOLDER, where `make demo` made the real ones.

A figure stands behind the name of where it was measured, which is rewritten from there:

    <!-- figure: training_race "steady 4 × 2" -->1.89 times
    <!-- figure: performance/stopping.json race_share_of_images as .0% -->68 %

The first is the median of a figure in performance/figures/training_race.json (`"…" floor` is its
floor, `target` its target), the second a value of any JSON file in the checkout, by its keys.
`make bless` writes outputs and figures again; `python -m tools.docs count` counts.
"""
