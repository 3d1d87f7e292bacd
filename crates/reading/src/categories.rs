//! Which label of classes is the positive one, and what is held out together with a category.

use std::collections::{BTreeSet, HashMap};

use super::AnalysisError;
use truenorth_data::{ClassRow, Distinct};

/// The categories of rows of two classes, where every row of one class has none because it is for all categories, as the
/// safe texts of a set of several harms: its clusters are dealt to the categories in turn, so that what holds a category out
/// leaves both classes on either side. Of one category and none, as of an AxBench file of one concept, all are of the one:
/// there is none to hold out. None where rows are held out by their own categories.
pub fn dealt(rows: &Distinct<ClassRow>) -> Option<Vec<String>> {
    let all = || rows.rows.iter();
    let categories: BTreeSet<&String> = all().filter_map(|r| r.category.as_ref()).collect();
    let labels: BTreeSet<&String> = all().map(|r| &r.label).collect();
    let bare = |label: &String| all().filter(|r| r.label == *label).all(|r| r.category.is_none());
    // Rows of one category among others of none are held out by themselves only where the others have both classes.
    let labels_of_none: BTreeSet<&String> =
        all().filter(|r| r.category.is_none()).map(|r| &r.label).collect();
    let alone = categories.len() == 1 && labels_of_none.len() == 1;
    if categories.is_empty() || !(alone || labels.iter().any(|l| bare(l))) {
        return None;
    }
    let categories: Vec<&String> = categories.into_iter().collect();
    // A cluster is never cut, so what it holds goes where one of its rows has to be.
    let mut of: HashMap<usize, &String> = HashMap::new();
    for (row, cluster) in all().zip(&rows.cluster) {
        if let Some(category) = &row.category {
            of.entry(*cluster).or_insert(category);
        }
    }
    let mut turn = 0;
    let mut dealt = |cluster: usize| {
        of.entry(cluster)
            .or_insert_with(|| {
                turn += 1;
                categories[(turn - 1) % categories.len()]
            })
            .to_string()
    };
    let axis = |(row, cluster): (&ClassRow, &usize)| match &row.category {
        Some(own) => own.clone(),
        None => dealt(*cluster),
    };
    Some(all().zip(&rows.cluster).map(axis).collect())
}

/// Before the id of a row that stands alone, so that no group that is named so meets it.
pub const LONE: &str = "row ";

/// Labels that say themselves which of them is positive, the negative one first.
const COUPLES: [[&str; 2]; 4] = [["0", "1"], ["-1", "1"], ["false", "true"], ["negative", "positive"]];

/// How the positive label is named where a verb reads the one file of classes.
const BY_FLAG: &str = "name it with --positive LABEL";
/// How the positive label is named where each file may have its own.
pub const BEHIND_FILE: &str = "name it behind the file, as in F:LABEL";

/// The error of a positive label that is not named, with the way in which it can be named here; others as they are.
#[must_use]
pub fn named_by(error: AnalysisError, way: &str) -> AnalysisError {
    match error {
        AnalysisError::Asked { what, remedy } if remedy == BY_FLAG => {
            AnalysisError::Asked { what, remedy: way.to_owned() }
        }
        other => other,
    }
}

/// The label of the positive class: the one named, or the one that says so itself beside its opposite, as 1 beside 0 does: of 1
/// and 2 either may be meant.
pub fn positive_label<'a>(
    rows: &'a Distinct<ClassRow>,
    positive: Option<&str>,
) -> Result<&'a str, AnalysisError> {
    let mut labels: Vec<&str> = rows.rows.iter().map(|r| r.label.as_str()).collect();
    labels.sort_unstable();
    labels.dedup();
    let chosen = match positive {
        Some(label) => labels.iter().copied().find(|l| *l == label),
        None => COUPLES.iter().find(|c| c[..] == labels[..]).and_then(|_| labels.last().copied()),
    };
    match (labels.len(), chosen) {
        (2, Some(label)) => Ok(label),
        (labels_there, _) => Err(AnalysisError::Asked {
            what: format!(
                "the labels are {labels:?} and the positive one is {}; expected two labels, one of them positive",
                positive.map_or_else(|| "not named".into(), |p| format!("{p:?}"))
            ),
            remedy: match labels_there {
                0 | 1 => "give texts of two labels".into(),
                2 => BY_FLAG.into(),
                _ => "make them two, as by `data convert --map label=OLD:NEW,*:OTHER`".into(),
            },
        }),
    }
}

#[cfg(test)]
mod tests {
    use truenorth_data::{Loaded, NearCopies, read_classes};

    use super::*;

    fn rows(lines: &str) -> Option<Vec<String>> {
        let loaded: Loaded<ClassRow> = read_classes(lines.as_bytes(), "c.csv").unwrap();
        dealt(&Distinct::classes(loaded, NearCopies::default()).unwrap())
    }

    #[test]
    fn the_positive_label_says_so_beside_its_opposite_alone() {
        let of = |labels: [&str; 2], named: Option<&str>| {
            let [a, b] = labels;
            let rows = format!("id,text,label\n1,one word,{a}\n2,two trees,{b}\n");
            let loaded: Loaded<ClassRow> = read_classes(rows.as_bytes(), "c.csv").unwrap();
            let found = Distinct::classes(loaded, NearCopies::default()).unwrap();
            positive_label(&found, named).map(str::to_owned).map_err(|e| e.to_string())
        };
        for [negative, positive] in COUPLES {
            assert_eq!(of([positive, negative], None).unwrap(), positive);
            assert_eq!(of([positive, negative], Some(negative)).unwrap(), negative);
        }
        // Each place names the way that works there alone, and leaves other errors as they are.
        let e = AnalysisError::Asked { what: "the labels".into(), remedy: BY_FLAG.into() };
        assert_eq!(named_by(e, BEHIND_FILE).hint().as_deref(), Some(BEHIND_FILE));
        let other = AnalysisError::Asked { what: "the labels".into(), remedy: "give two".into() };
        assert_eq!(named_by(other, BEHIND_FILE).hint().as_deref(), Some("give two"));
        // Of 1 and 2, and of two words for yes, either may be meant.
        for labels in [["1", "2"], ["1", "true"], ["yes", "1"], ["negative", "1"]] {
            assert!(of(labels, None).unwrap_err().contains("not named"), "{labels:?}");
            assert_eq!(of(labels, Some(labels[0])).unwrap(), labels[0]);
        }
    }

    #[test]
    fn texts_that_are_for_all_categories_are_dealt_to_them() {
        let head = "id,text,label,category,group\n";
        let harms = "1,one word,bad,x,\n2,two trees,bad,y,g\n";
        // In turn, but for a group that a category holds already.
        let safe = "3,three birds,good,,\n4,four seas,good,,g\n5,five roads,good,,\n6,six hills,good,,\n";
        let found = rows(&format!("{head}{harms}{safe}")).unwrap();
        assert_eq!(found, ["x", "y", "x", "y", "y", "x"]);
        // Of one category there is none to hold out, even where some of the other class have it too.
        let one = harms.replace(",y,", ",x,");
        assert_eq!(rows(&format!("{head}{one}{safe}")).unwrap(), ["x"; 6]);
        assert_eq!(rows(&format!("{head}{one}{safe}7,seven,good,x,\n")).unwrap(), ["x"; 7]);
        assert_eq!(rows(&format!("{head}{one}8,eight,good,x,\n")), None);
        // Both classes without any, or of each: its own are held out.
        assert_eq!(rows(&format!("{head}{harms}{safe}7,seven,good,x,\n")), None);
        assert_eq!(rows(&format!("{head}{harms}7,seven,bad,,\n8,eight,good,z,\n")), None);
    }
}
