"""The functions behind `import harness`; the command line and the dashboard call the same ones.

    make      run, rehearse, train: from a recipe to a result
    judge     score, sanity, sweep: what a picture, an adapter, a metric is worth
    decide    compare, gate, accept, calibrate, reproduce, history: which is better
    browse    leaderboard, load_result, plan, check: what there is
    deliver   export, write_reference: for other programs
    upkeep    verify, verify_all, doctor, gc, schemas: results, the store and the machine

`results` and `verdicts` hold what these functions return. Nothing here prints.
"""
