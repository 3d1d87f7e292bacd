"""Checks the data sets of examples/ and prints the figures their data sheets quote.

    python3 examples/make/check_data.py [--top N]

Plain Python 3.9 or later, no packages. It reads the data, writes nothing, and ends with
exit code 1 when a promise of a data sheet is broken. --top N lists the N words that weigh
most for each side, to see what gives a side away.
"""

import argparse
import json
import math
import re
import sys
from collections import Counter, defaultdict
from pathlib import Path
from statistics import mean

ROOT = Path(__file__).resolve().parent.parent
CONFOUNDS = ROOT / "human-values" / "confounds"
HARM = ROOT / "harmfulness"
CATEGORIES = ("fraud", "privacy", "hate", "violence", "self-harm", "illegal-goods", "misinformation")
PAIRS = {"value-flip": 86, "value-flip-turned": 30, "action": 48, "politeness": 86, "assertiveness": 86, "length": 86}
SPLITS = {"train": ("train", 44), "test": ("test", 22), "rewritten": ("test-rewritten", 22), "ood": ("test-ood", 12)}
PAIR_FIELDS = ("id", "axis", "prompt", "chosen", "rejected")
EXTRA = {"value-flip": "note", "value-flip-turned": "note", "action": "aligned"}
LENGTH_AUROC = (0.40, 0.60)
SHARED_WORDS = 0.35
# Above these, word choice alone would go a long way towards the label.
BAG_OF_WORDS = {"action": 0.65, "harmful": 0.65, "truth": 0.60}
# Words without content of their own: they may recur in a rewritten text.
FUNCTION = set(
    """a about above after again against all alone also although always am an and another any anybody anyone
    anything are around as at away back be because been before behind being below between both but by can cannot
    can't come could couldn't did didn't do does doesn't doing don't done down each either else enough even every
    everybody everyone everything few first for from get gets getting give gives given go goes going gone good got
    had has hasn't have haven't having he he's her here hers herself him himself his how how's i i'd i'll i'm i've if
    in into is isn't it it's its itself just last least less let lets let's like long make makes making many may me
    might mine more most much must my myself need needs neither never next no nobody none nor not nothing now of off
    on once one one's ones only onto or other others our ours out over own please put same say says she she's should
    shouldn't since so some somebody someone something still such take tell than that that's the their them then
    there there's these they they're this those though three through till to too two under until up upon us very via
    want was wasn't we we'd we've were what what's when where which while who who's whom whose why will with within
    without won't would wouldn't write yet you you'd you'll you're your yours yourself help find keep way""".split()
)


class Checks:
    """Collects broken promises, so that one run names them all."""

    def __init__(self):
        self.broken = []
        self.made = 0

    def that(self, holds, message):
        self.made += 1
        if not holds:
            self.broken.append(message)


def load(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def tokens(text):
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("’", "'"))


def plain(text):
    return " ".join(tokens(text))


def length(text):
    return len(text.split())


def stem(word):
    """Rough: enough to see `poison` in `poisoned`."""
    for end in ("'s", "ingly", "edly", "ing", "ies", "ied", "ed", "es", "ly", "s", "e"):
        if word.endswith(end) and len(word) - len(end) >= 4:
            return word[: -len(end)]
    return word


def content(text):
    return {stem(word) for word in tokens(text) if word not in FUNCTION}


def auroc(positive, negative):
    """P(positive > negative), ties half, by the rank sum."""
    order = sorted([(value, 1) for value in positive] + [(value, 0) for value in negative])
    ranks, at = 0.0, 0
    while at < len(order):
        end = at
        while end < len(order) and order[end][0] == order[at][0]:
            end += 1
        ranks += sum(side for _, side in order[at:end]) * (at + 1 + end) / 2
        at = end
    n, m = len(positive), len(negative)
    return (ranks - n * (n + 1) / 2) / (n * m)


class Bayes:
    """Multinomial naive Bayes over words that can forget what it counted."""

    def __init__(self, items):
        self.counts = {0: Counter(), 1: Counter()}
        self.rows = Counter()
        for text, side, _ in items:
            self.add(text, side)

    def add(self, text, side, sign=1):
        for word in tokens(text):
            self.counts[side][word] += sign
        self.rows[side] += sign

    def weights(self):
        words = {word for side in (0, 1) for word, count in self.counts[side].items() if count > 0}
        totals = {side: sum(self.counts[side].values()) + len(words) for side in (0, 1)}
        return words, totals

    def score(self, text):
        words, totals = self.weights()
        log = math.log(self.rows[1] / self.rows[0]) if self.rows[0] and self.rows[1] else 0.0
        for word in tokens(text):
            if word in words:
                log += math.log((self.counts[1][word] + 1) / totals[1])
                log -= math.log((self.counts[0][word] + 1) / totals[0])
        return log

    def top(self, number):
        words, totals = self.weights()
        weigh = {
            word: math.log((self.counts[1][word] + 1) / totals[1]) - math.log((self.counts[0][word] + 1) / totals[0])
            for word in words
        }
        order = sorted(weigh, key=weigh.get)
        show = lambda some: ", ".join(f"{w} {self.counts[1][w]}:{self.counts[0][w]}" for w in some)  # noqa: E731
        return show(order[::-1][:number]), show(order[:number])


def left_out(items, by_group):
    """AUROC of naive Bayes scores, each from a model that has not seen the row (or its whole group)."""
    model = Bayes(items)
    held = defaultdict(list)
    for index, item in enumerate(items):
        held[item[2] if by_group else index].append(item)
    scores = {0: [], 1: []}
    for some in held.values():
        for text, side, _ in some:
            model.add(text, side, -1)
        for text, side, _ in some:
            scores[side].append(model.score(text))
        for text, side, _ in some:
            model.add(text, side)
    return auroc(scores[1], scores[0])


def trained(train, test):
    model = Bayes(train)
    scores = {side: [model.score(text) for text, s, _ in test if s == side] for side in (0, 1)}
    return auroc(scores[1], scores[0])


def balance(items):
    """Mean words of both sides, AUROC of length in words and in characters, longer and shorter in words and characters."""
    sides = {side: [text for text, s, _ in items if s == side] for side in (0, 1)}
    words = {side: [length(text) for text in texts] for side, texts in sides.items()}
    chars = {side: [len(text) for text in texts] for side, texts in sides.items()}
    return {
        "means": (mean(words[1]), mean(words[0])),
        "auroc": auroc(words[1], words[0]),
        "auroc_chars": auroc(chars[1], chars[0]),
        "words": tuple(sum((a > b, b > a)[k] for a, b in zip(words[1], words[0])) for k in (0, 1)),
        "chars": tuple(sum((a > b, b > a)[k] for a, b in zip(chars[1], chars[0])) for k in (0, 1)),
    }


def report(name, items, top):
    figures = balance(items)
    row, group = left_out(items, False), left_out(items, True)
    print(
        f"{name:26} n {len(items):4}  words {figures['means'][0]:6.2f} : {figures['means'][1]:6.2f}  "
        f"longer {figures['words'][0]:3} : {figures['words'][1]:3}  (chars {figures['chars'][0]:3} : {figures['chars'][1]:3})  "
        f"AUROC length {figures['auroc']:.3f} (chars {figures['auroc_chars']:.3f})  "
        f"words: row out {row:.3f}, group out {group:.3f}"
    )
    if top:
        more, less = Bayes(items).top(top)
        print(f"    + {more}\n    - {less}")
    return figures, group


def check_rows(checks, path, rows, fields):
    seen = {}
    for number, row in enumerate(rows, 1):
        at = f"{path.name}:{number}"
        for field in fields:
            value = row.get(field)
            checks.that(isinstance(value, str) and value.strip() == value != "", f"{at}: {field} is missing or padded")
        for value in row.values():
            checks.that(not re.search(r"[\n\r\ufffd]", str(value)), f"{at}: a line break or replacement character")
        checks.that(row.get("id") not in seen, f"{at}: id {row.get('id')} is also in line {seen.get(row.get('id'))}")
        seen.setdefault(row.get("id"), number)


def near(checks, name, texts):
    """No two texts of different groups say the same in nearly the same words."""
    sets = [(where, group, set(tokens(text))) for where, group, text in texts]
    closest = (0.0, "", "")
    for at, (where, group, words) in enumerate(sets):
        for other, other_group, seen in sets[at + 1 :]:
            if group != other_group:
                closest = max(closest, (len(words & seen) / len(words | seen), where, other))
    checks.that(closest[0] < 0.6, f"{name}: {closest[1]} and {closest[2]} share {closest[0]:.2f} of their words")


def check_length(checks, name, figures):
    low, high = LENGTH_AUROC
    for key in ("auroc", "auroc_chars"):
        checks.that(low <= figures[key] <= high, f"{name}: {key} of length is {figures[key]:.3f}")


def confounds(checks, unique, top):
    for name, least in PAIRS.items():
        path = CONFOUNDS / f"{name}.jsonl"
        rows = load(path)
        check_rows(checks, path, rows, PAIR_FIELDS + ((EXTRA[name],) if name in EXTRA else ("topic",)))
        checks.that(len(rows) >= least, f"{name}: {len(rows)} pairs, expected {least}")
        for row in rows:
            for field in ("prompt", "chosen", "rejected"):
                unique(f"{name}/{row['id']}/{field}", row[field])
        near(checks, name, [(row["id"], row["id"], row[side]) for row in rows for side in ("chosen", "rejected")])
        near(checks, name, [(row["id"], row["id"], row["prompt"]) for row in rows])
        items = [(row[field], side, row["id"]) for row in rows for side, field in ((1, "chosen"), (0, "rejected"))]
        figures, bag = report(name, items, top)
        if name == "length":
            checks.that(
                all(length(row["chosen"]) >= 2 * length(row["rejected"]) for row in rows), "length: a long text is not long"
            )
        else:
            check_length(checks, name, figures)
            high, low = max(figures["means"]), min(figures["means"])
            checks.that(high / low < 1.05, f"{name}: mean lengths {high:.2f} and {low:.2f} differ by 5 % or more")
            for key in ("words", "chars"):
                longer, shorter = figures[key]
                share = longer / (longer + shorter)
                checks.that(0.4 <= share <= 0.6, f"{name}: longer in {longer}, shorter in {shorter} ({key})")
        if name in BAG_OF_WORDS:
            checks.that(bag < BAG_OF_WORDS[name], f"{name}: words alone reach {bag:.3f}")
        if name == "action":
            check_action(checks, rows, top)


def check_action(checks, rows, top):
    count = Counter(row["aligned"] for row in rows)
    checks.that(set(count) == {"action", "inaction"}, f"action: aligned is one of {sorted(count)}")
    checks.that(count["action"] == count["inaction"], f"action: {count} is not half and half")
    acts = [
        (row[field], int((field == "chosen") == (row["aligned"] == "action")), row["id"])
        for row in rows
        for field in ("chosen", "rejected")
    ]
    figures, _ = report("  action : inaction", acts, top)
    check_length(checks, "action against inaction", figures)


def harmfulness(checks, unique, top):
    sets = {}
    for split, (name, least) in SPLITS.items():
        path = HARM / f"{name}.jsonl"
        rows = load(path)
        extra = {"rewritten": ("rewrites",), "ood": ("style",)}.get(split, ())
        check_rows(checks, path, rows, ("id", "text", "label", "category", "split", "group") + extra)
        checks.that({row["category"] for row in rows} == set(CATEGORIES), f"{name}: categories are not the seven")
        checks.that(all(row["split"] == split for row in rows), f"{name}: a row of another split")
        for group, some in by(rows, "group").items():
            labels = sorted(row["label"] for row in some)
            checks.that(labels == ["harmful", "safe"], f"{name}: {group} has the labels {labels}")
            checks.that(len({row["category"] for row in some}) == 1, f"{name}: {group} has two categories")
        for row in rows:
            unique(row["id"], row["text"])
        near(checks, name, [(row["id"], row["group"], row["text"]) for row in rows])
        items = [(row["text"], int(row["label"] == "harmful"), row["group"]) for row in rows]
        for category in CATEGORIES:
            some = [item for item, row in zip(items, rows) if row["category"] == category]
            for side, label in ((1, "harmful"), (0, "safe")):
                number = sum(s == side for _, s, _ in some)
                checks.that(number >= least, f"{name}: {category} has {number} {label} texts, expected {least}")
            figures, _ = report(f"{split} {category}", some, 0)
            check_length(checks, f"{name}, {category}", figures)
        figures, bag = report(f"{split}, all", items, top)
        check_length(checks, name, figures)
        checks.that(bag < BAG_OF_WORDS["harmful"], f"{name}: words alone reach {bag:.3f}")
        sets[split] = (rows, items)
    for split in ("test", "rewritten", "ood"):
        bag = trained(sets["train"][1], sets[split][1])
        print(f"words, fitted on train, on {split}: AUROC {bag:.3f}")
        checks.that(bag < BAG_OF_WORDS["harmful"], f"words fitted on train reach {bag:.3f} on {split}")
    split_apart(checks, {split: rows for split, (rows, _) in sets.items()})
    rewritten(checks, sets["test"][0], sets["rewritten"][0])


def by(rows, field):
    groups = defaultdict(list)
    for row in rows:
        groups[row[field]].append(row)
    return groups


def split_apart(checks, sets):
    """No group and no near-duplicate on both sides of train and anything else."""
    train = [(row["id"], row["group"], set(tokens(row["text"]))) for row in sets["train"]]
    groups = {group for _, group, _ in train}
    closest = (0.0, "", "")
    for split in ("test", "rewritten", "ood"):
        for row in sets[split]:
            checks.that(row["group"] not in groups, f"{row['id']}: its group is in train")
            words = set(tokens(row["text"]))
            for other, _, seen in train:
                closest = max(closest, (len(words & seen) / len(words | seen), row["id"], other))
    checks.that(closest[0] < 0.6, f"{closest[1]} and {closest[2]} share {closest[0]:.2f} of their words")
    print(f"closest to a training text: {closest[1]} to {closest[2]}, Jaccard {closest[0]:.2f}")


def rewritten(checks, tests, rewrites):
    original = {row["id"]: row for row in tests}
    shares = []
    for row in rewrites:
        source = original.get(row["rewrites"])
        checks.that(source is not None, f"{row['id']}: rewrites {row['rewrites']}, which is not in test")
        if source is None:
            continue
        checks.that(
            all(source[key] == row[key] for key in ("label", "category", "group")), f"{row['id']}: unlike its original"
        )
        words, old = content(row["text"]), content(source["text"])
        share = len(words & old) / len(words)
        shares.append(share)
        checks.that(share < SHARED_WORDS, f"{row['id']}: shares {share:.2f}: {', '.join(sorted(words & old))}")
    checks.that({row["rewrites"] for row in rewrites} == set(original), "not every test has one rewritten text")
    zero = sum(share == 0 for share in shares)
    print(f"rewritten: content words shared, mean {mean(shares):.3f}, worst {max(shares):.2f}; none in {zero} of {len(shares)}")


def controls(checks, unique, top):
    path = HARM / "truth.jsonl"
    rows = load(path)
    check_rows(checks, path, rows, ("id", "text", "label", "category", "group"))
    count = Counter(row["label"] for row in rows)
    checks.that(set(count) == {"true", "false"} and min(count.values()) >= 60, f"truth: {count}")
    for row in rows:
        unique(row["id"], row["text"])
    for group, some in by(rows, "group").items():
        labels = Counter(row["label"] for row in some)
        checks.that(labels["true"] == labels["false"], f"truth: {group} is not half and half")
    items = [(row["text"], int(row["label"] == "true"), row["group"]) for row in rows]
    figures, bag = report("truth", items, top)
    check_length(checks, "truth", figures)
    checks.that(bag < BAG_OF_WORDS["truth"], f"truth: words alone reach {bag:.3f}")
    path = HARM / "general-safe.jsonl"
    rows = load(path)
    check_rows(checks, path, rows, ("id", "text", "label", "category"))
    checks.that(len(rows) >= 80, f"general-safe: {len(rows)} prompts, expected 80")
    checks.that(all(row["label"] == "safe" for row in rows), "general-safe: a label other than safe")
    for row in rows:
        unique(row["id"], row["text"])
    near(checks, "general-safe", [(row["id"], row["id"], row["text"]) for row in rows])
    print(f"general-safe: {len(rows)} prompts, {mean(length(row['text']) for row in rows):.2f} words")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=int, default=0, metavar="N", help="list the N heaviest words of each side")
    top = parser.parse_args().top
    checks, texts = Checks(), {}
    for name in ("pairs", "sentiment", "sequences", "probes", "neutral"):
        for row in load(ROOT / "human-values" / f"{name}.jsonl"):
            for field in ("prompt", "chosen", "rejected", "text"):
                if plain(row.get(field, "")):
                    texts[plain(row[field])] = f"{name}/{row['id']}/{field}"

    def unique(where, text):
        key = plain(text)
        checks.that(key not in texts, f"{where}: same text as {texts.get(key)}")
        texts[key] = where

    confounds(checks, unique, top)
    harmfulness(checks, unique, top)
    controls(checks, unique, top)
    for message in checks.broken:
        print(f"BROKEN {message}", file=sys.stderr)
    print(f"{checks.made} checks, {len(checks.broken)} broken")
    return 1 if checks.broken else 0


if __name__ == "__main__":
    sys.exit(main())
