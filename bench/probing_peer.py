"""Times our probing against scikit-learn on the same arrays, the folds aside, and prints the ratios.

    cargo build --release --example probing_peer
    python bench/probing_peer.py target/release/examples/probing_peer [--rows N] [--layers L] [--width H]

scikit-learn has no permutation test of a choice of layer, so both sides do what it has: five-fold
cross-validated AUROC at every layer, for the observed labels and some permutations. The peer gets
the rows in the span they have (as many columns as rows), the fair way to use it where activations are
wide; making them so is timed as its own. Ours also makes the nested fits of the choice, ten more a
layer and permutation, and reads the layers.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold


def rows(rng, count, width, planted):
    x = rng.normal(size=(count, width)).astype(np.float32)
    if planted:
        d = rng.normal(size=width)
        sign = np.where(np.arange(count) < count // 2, 2.0, -2.0)
        x += np.outer(sign, d / np.linalg.norm(d)).astype(np.float32)
    return x


def mean_diff_auroc(x, y, folds):
    scores = np.zeros(len(y))
    for train, test in folds:
        d = x[train][y[train] == 1].mean(0) - x[train][y[train] == 0].mean(0)
        fitted = x[train] @ d
        scores[test] = (x[test] @ d - fitted.mean()) / fitted.std()
    return roc_auc_score(y, scores)


def model_auroc(make):
    def auroc(x, y, folds):
        scores = np.zeros(len(y))
        for train, test in folds:
            model = make().fit(x[train], y[train])
            fitted = model.decision_function(x[train])
            scores[test] = (model.decision_function(x[test]) - fitted.mean()) / fitted.std()
        return roc_auc_score(y, scores)

    return auroc


PEERS = {
    "mean-diff": ("mean-diff", mean_diff_auroc),
    # A fixed shrinkage: scikit-learn's `auto` estimates another one (a class each, standardised).
    "lda": ("lda-half", model_auroc(lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.5))),
    "logistic": ("logistic-one", model_auroc(lambda: LogisticRegression(C=1.0, max_iter=1000))),
}


def in_span(x):
    """The same scalar products in no more columns than rows, scaled as ours are."""
    x = x.astype(np.float64) - x.mean(0, dtype=np.float64)
    if x.shape[0] < x.shape[1]:
        values, vectors = np.linalg.eigh(x @ x.T)
        x = vectors * np.sqrt(np.maximum(values, 0))
    return x / np.sqrt((x**2).sum(1).mean())


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ours", help="the built example")
    parser.add_argument("--rows", type=int, default=270)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=5120)
    parser.add_argument("--permutations", type=int, default=20)
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    y = (np.arange(args.rows) < args.rows // 2).astype(int)
    groups = np.arange(args.rows) % (args.rows // 2)
    folds = list(GroupKFold(5).split(y, y, groups))
    labels = [y]
    for _ in range(args.permutations):
        flip = rng.random(args.rows // 2) < 0.5
        labels.append(np.where(flip[groups], 1 - y, y))
    with tempfile.TemporaryDirectory() as folder:
        layers = [rows(rng, args.rows, args.width, layer == args.layers // 2) for layer in range(args.layers)]
        for i, x in enumerate(layers):
            np.save(pathlib.Path(folder) / f"layer_{i}.npy", x)
        begun = time.perf_counter()
        spans = [in_span(x) for x in layers]
        spanning = time.perf_counter() - begun
        for name, (ours, peer) in PEERS.items():
            begun = time.perf_counter()
            aurocs = [[peer(x, labelled, folds) for x in spans] for labelled in labels]
            theirs = time.perf_counter() - begun + spanning
            sizes = [str(v) for v in (args.rows, args.layers, args.width, args.permutations)]
            run = subprocess.run([args.ours, *sizes, ours, "0", folder], check=True, capture_output=True, text=True)
            found = json.loads(run.stdout)
            # The folds differ, so AUROCs agree as two splits of the same rows do.
            apart = float(np.abs(np.array(aurocs[0]) - np.array(found["aurocs"])).max())
            print(
                json.dumps(
                    {
                        "estimator": name,
                        "seconds": round(found["seconds"], 3),
                        "seconds_sklearn": round(theirs, 3),
                        "ratio": round(theirs / found["seconds"], 2),
                        "peak_mib": round(found["peak_bytes"] / 2**20),
                        "largest_auroc_difference": round(apart, 3),
                        "rows": args.rows,
                        "layers": args.layers,
                        "width": args.width,
                        "permutations": args.permutations,
                    }
                ),
                flush=True,
            )


if __name__ == "__main__":
    main()
