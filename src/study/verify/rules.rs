//! What of a run's files is not compared, and why.

use truenorth_verify::{Leaf, Rule};

/// What differs from run to run by its nature.
pub const RULES: [Rule; 2] = [
    Rule {
        what: "report.json, group `This run`: wall time, seconds of stages, counts of the store",
        holds: |file, leaf| file == "report.json" && of_group(leaf, "This run"),
    },
    Rule {
        what: "stages/*.json, made_from: a hash of the program and the kernel too",
        holds: |file, leaf| file.starts_with("stages/") && leaf.pointer == "/made_from",
    },
];

/// What means leave out is counted by a run that reads the texts, and not by one that keeps its stages.
pub const LEFT_OUT: Rule = Rule {
    what: "report.json, group `Model`, means: a run that keeps its stages does not count what means leave out",
    holds: |file, leaf| {
        file == "report.json" && of_group(leaf, "Model") && leaf.crumbs.iter().any(|c| c.name == "means")
    },
};

fn of_group(leaf: &Leaf<'_>, title: &str) -> bool {
    leaf.pointer.starts_with("/provenance/") && leaf.crumbs.iter().any(|c| c.name == title)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use truenorth_verify::compare;

    use super::*;

    #[test]
    fn a_rule_takes_its_own_values_out_of_its_own_file_alone() {
        let all: Vec<&Rule> = RULES.iter().chain([&LEFT_OUT]).collect();
        let left_out = |file: &str, value: &Value| {
            let compared = compare(file, value, value, &all);
            (compared.excluded.values().sum::<usize>(), compared.numbers + compared.words)
        };
        let report = json!({"answer": "This run", "provenance": [
            {"title": "This run", "entries": [{"key": "wall time", "value": {"value": "1.0 s"}}]},
            {"title": "Model", "entries": [{"key": "means", "value": {"value": "2 tokens"}}, {"key": "blocks", "value": {"value": 3}}]}]});
        // Title, key and value of the one group; key and value of the other's entry. Four values stay.
        assert_eq!(left_out("report.json", &report), (5, 4));
        assert_eq!(left_out("board.json", &report), (0, 9));
        let stage = json!({"made_from": "ab12", "found": {"made_from": "cd34"}});
        assert_eq!(left_out("stages/board.json", &stage), (1, 1));
        assert_eq!(left_out("report.json", &stage), (0, 2));
    }
}
