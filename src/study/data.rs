//! The data of a study, read and checked before a model is opened.

use crate::host::Desk;
use crate::inputs::NamedFile;
use crate::inputs::Prompts;
use crate::inputs::Sequences;
use crate::inputs::TextFiles;
use crate::inputs::needs_axes;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::analyses::categories::{named_by, positive_label};
use crate::analyses::extract::{LabelledTexts, ProjectOut};
use crate::analyses::probing::TestTexts;
use crate::analyses::sweep::Lexicon;
use crate::analyses::{ClassTexts, NamedPrompt, SentimentTexts};
use truenorth_data::{ClassRow, Distinct, Pair, SentimentRow, Split, Template};
use truenorth_stats::estimate::ProjectMethod;

use crate::error::{Error, ErrorContext as _};
use crate::experiment::{ExperimentContents, chosen};
use crate::study::file::{Keyword, StudyFile, with_label};
use crate::study::refused;

pub struct StudyData {
    pub contrast: ContrastTexts,
    pub template: Template,
    pub sentiment: Option<SentimentTexts>,
    pub neutral: Prompts,
    pub prompts: Option<Prompts>,
    pub probes: Option<Prompts>,
    pub sequences: Option<Sequences>,
    pub tests: BTreeMap<String, ClassTexts>,
    pub truth: Option<ClassTexts>,
    pub confounds: BTreeMap<String, LabelledTexts>,
    pub project_out: Vec<ProjectOut>,
    pub project_method: ProjectMethod,
    pub keywords: Vec<WordList>,
    /// What an experiment's own files say.
    pub experiment: Option<ExperimentContents>,
}

/// Words counted in generations.
pub struct WordList {
    pub lexicon: Lexicon,
    /// Where its share should move with α.
    pub expected: i8,
    lines: usize,
    sha256: String,
}

/// What the direction is estimated from.
pub enum ContrastTexts {
    Pairs(Distinct<Pair>),
    Classes(Distinct<ClassRow>, Option<String>),
}

impl ContrastTexts {
    fn question(&self, template: &Template) -> Result<LabelledTexts, Error> {
        Ok(match self {
            Self::Pairs(pairs) => LabelledTexts::pairs(pairs, template),
            Self::Classes(rows, positive) => LabelledTexts::classes(rows, positive.as_deref())?,
        })
    }
}

/// What the report calls the two ends and what is held out.
pub struct ReportTerms {
    pub high: String,
    pub low: String,
    pub units: &'static str,
    pub axes: &'static str,
    pub null: &'static str,
}

impl StudyData {
    pub fn words(&self) -> ReportTerms {
        match &self.contrast {
            ContrastTexts::Pairs(_) => ReportTerms {
                high: "chosen".into(),
                low: "rejected".into(),
                units: "pairs",
                axes: "axes",
                null: "labels flipped within pairs",
            },
            ContrastTexts::Classes(rows, positive) => {
                let [high, low] = ends(rows, positive.as_deref());
                ReportTerms {
                    high,
                    low,
                    units: "groups of texts",
                    axes: "categories",
                    null: "labels exchanged as the groups allow",
                }
            }
        }
    }

    /// Reads every file of the study.
    pub fn read(study: &StudyFile, desk: &dyn Desk) -> Result<Self, Error> {
        there(study)?;
        let data = &study.data;
        let texts = TextFiles { desk, near: study.near()? };
        let template = study.speech().template(&study.template)?;
        let contrast = match (&data.pairs, &data.classes) {
            (Some(path), _) => {
                let pairs = texts.pairs(path, &template)?;
                needs_axes(path, &pairs, &template, "a study holds the axes of data.pairs out")?;
                ContrastTexts::Pairs(pairs)
            }
            (None, Some(path)) => {
                let rows = labelled(&texts, path, data.positive.as_deref())?;
                needs_categories(path, &rows, data.positive.as_deref())?;
                ContrastTexts::Classes(rows, data.positive.clone())
            }
            (None, None) => {
                return Err(refused(
                    "neither data.pairs nor data.classes",
                    "name a file of pairs or of classes under [data]",
                ));
            }
        };
        let project_out: Vec<ProjectOut> =
            study.direction.project_out.iter().map(|p| p.parse()).collect::<Result<_, _>>()?;
        let sentiment = match &data.sentiment {
            Some(path) => Some(texts.sentiment_apart_from(&contrast.question(&template)?, path)?),
            None => None,
        };
        Ok(Self {
            contrast,
            sentiment,
            neutral: texts.distinct_prompts(&data.neutral)?,
            prompts: data.prompts.as_ref().map(|p| texts.distinct_prompts(p)).transpose()?,
            probes: data.probes.as_ref().map(|p| texts.distinct_prompts(p)).transpose()?,
            sequences: data.sequences.as_ref().map(|p| texts.sequences(p)).transpose()?,
            tests: named(&data.tests, |p| tested(&texts, p, data.positive.as_deref()))?,
            truth: data.truth.as_ref().map(|p| tested(&texts, p, None)).transpose()?,
            confounds: confounds(&texts, &data.confounds, &template)?,
            template,
            keywords: study
                .sweep
                .iter()
                .flat_map(|s| &s.keywords)
                .map(|k| keyword(&texts, k))
                .collect::<Result<_, _>>()?,
            project_out,
            project_method: study.direction.project_method,
            experiment: match &study.experiment {
                None => None,
                Some(params) => {
                    let prompts = data.prompts.as_ref().unwrap_or(&data.neutral);
                    Some(crate::experiment::read(prompts, params, &texts)?)
                }
            },
        })
    }

    /// The question that the direction answers.
    pub fn question(&self) -> Result<LabelledTexts, Error> {
        self.contrast.question(&self.template)
    }

    /// The texts that are labelled for sentiment, where there are any.
    pub fn sentiment_rows(&self) -> Option<&[SentimentRow]> {
        self.sentiment.as_ref().map(|s| &s.rows[..])
    }

    /// The same question with prompt and response put together in another way.
    pub fn question_by(&self, template: &Template) -> Result<LabelledTexts, Error> {
        self.contrast.question(template)
    }

    pub fn extent(&self) -> String {
        let different = |names: Vec<&str>| names.into_iter().collect::<BTreeSet<_>>().len();
        match &self.contrast {
            ContrastTexts::Pairs(p) => {
                let axes = different(p.rows.iter().map(|r| r.axis.as_str()).collect());
                format!("{} pairs on {axes} axes", p.rows.len())
            }
            ContrastTexts::Classes(c, _) => {
                let categories = different(c.rows.iter().filter_map(|r| r.category.as_deref()).collect());
                format!("{} texts in {categories} categories", c.rows.len())
            }
        }
    }

    /// The pairs, where there are pairs.
    pub fn pairs(&self) -> Option<&Distinct<Pair>> {
        match &self.contrast {
            ContrastTexts::Pairs(pairs) => Some(pairs),
            ContrastTexts::Classes(..) => None,
        }
    }

    /// The classes, where there are classes.
    pub fn labelled(&self) -> Result<Option<ClassTexts>, Error> {
        match &self.contrast {
            ContrastTexts::Pairs(_) => Ok(None),
            ContrastTexts::Classes(rows, positive) => Ok(Some(ClassTexts::new(rows, positive.as_deref())?)),
        }
    }

    pub fn generated_from(&self) -> &[NamedPrompt] {
        &self.prompts.as_ref().unwrap_or(&self.neutral).named
    }

    /// Every file with its role, rows and SHA-256.
    pub fn files(&self) -> Vec<(String, usize, &str)> {
        let mut out = Vec::new();
        match &self.contrast {
            ContrastTexts::Pairs(p) => out.push(("pairs".to_owned(), p.rows.len(), p.sha256.as_str())),
            ContrastTexts::Classes(c, _) => out.push(("classes".to_owned(), c.rows.len(), c.sha256.as_str())),
        }
        let mut add = |role: &str, rows: usize, sha256| out.push((role.to_owned(), rows, sha256));
        add("neutral prompts", self.neutral.named.len(), &self.neutral.loaded.sha256);
        for (role, prompts) in [("prompts", &self.prompts), ("probes", &self.probes)] {
            if let Some(p) = prompts {
                add(role, p.named.len(), &p.loaded.sha256);
            }
        }
        if let Some(s) = &self.sentiment {
            add("sentiment", s.rows.len(), &s.sha256);
        }
        if let Some(s) = &self.sequences {
            add("sequences", s.all.len(), &s.loaded.sha256);
        }
        if let Some(t) = &self.truth {
            add("truth", t.len(), &t.data_sha256);
        }
        for (name, c) in &self.confounds {
            add(&format!("confound {name}"), c.prompts.len(), &c.data_sha256);
        }
        for (name, t) in &self.tests {
            add(&format!("test {name}"), t.len(), &t.data_sha256);
        }
        for k in &self.keywords {
            add(&format!("word list {}", k.lexicon.name), k.lines, &k.sha256);
        }
        // Its prompts are the study's own.
        let own = self.experiment.iter().flat_map(|e| &e.files).filter(|(role, ..)| role != "prompts");
        own.for_each(|(role, rows, sha256)| add(role, *rows, sha256));
        out
    }
}

/// The two labels as the file has them, the positive one first: of 0 and 1 neither is called true. A number alone would read
/// as a quantity.
fn ends(rows: &Distinct<ClassRow>, positive: Option<&str>) -> [String; 2] {
    let high = positive_label(rows, positive).ok();
    let low = rows.rows.iter().map(|r| r.label.as_str()).find(|l| Some(*l) != high);
    let said = |label: &str| match label.parse::<f64>() {
        Ok(_) => format!("label {label}"),
        Err(_) => label.to_owned(),
    };
    [
        high.map_or_else(|| "the positive label".to_owned(), said),
        low.map_or_else(|| "the others".to_owned(), said),
    ]
}

/// Refuses a study of which a file is not there, by the key that names it.
fn there(study: &StudyFile) -> Result<(), Error> {
    let gone = |path: &Path| {
        std::fs::metadata(chosen(path).0).is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound)
            // A split of a data-set folder is no file of its own.
            && !matches!(Split::of(path), Ok(Some(_)) | Err(_))
    };
    let Some((role, path)) = study.roles().into_iter().find(|(_, path)| gone(path)) else { return Ok(()) };
    let key = match role.split_once(' ') {
        Some(("confound", name)) => format!("[data] confounds.{name}"),
        Some(("test", name)) => format!("[data] tests.{name}"),
        Some(("word", list)) => format!("[sweep] keywords.{}", list.trim_start_matches("list ")),
        Some(("neutral", _)) => "[data] neutral".to_owned(),
        Some((
            "direction" | "condition" | "projected" | "lexicon" | "no-stance" | "planted" | "texts"
            | "ratings",
            _,
        )) => {
            format!("[experiment] ({role})")
        }
        _ => format!("[data] {role}"),
    };
    Err(refused(
        format!("{key} of the study names {}, which is not there", path.display()),
        "write the path as seen from the folder of the study file",
    ))
}

/// Refuses classes of fewer than two categories: a study holds categories out.
fn needs_categories(path: &Path, rows: &Distinct<ClassRow>, positive: Option<&str>) -> Result<(), Error> {
    let question = LabelledTexts::classes(rows, positive)?;
    if question.axes() > 1 {
        return Ok(());
    }
    let found = question.only_category().map_or_else(
        || format!("no text of {} has a `category`", path.display()),
        |only| format!("all texts of {} are of the category `{only}`", path.display()),
    );
    Err(refused(
        format!("{found}; a study holds categories out"),
        "let the file of data.classes give every text a `category`, two different ones at least; `truenorth direction \
         extract` takes texts of one",
    ))
}

/// Classes whose labels say which is the positive one; else the file is named here, before a model is opened.
fn labelled(texts: &TextFiles<'_>, path: &Path, positive: Option<&str>) -> Result<Distinct<ClassRow>, Error> {
    let rows = texts.classes(path)?;
    ClassTexts::new(&rows, positive)
        .map_err(|e| named_by(e, "name it under [data], as in positive = \"LABEL\""))
        .request(format!("can't use {}", path.display()))?;
    Ok(rows)
}

/// Classes that may have their positive label behind them; else it is the one named for all, or they say it themselves.
fn tested(texts: &TextFiles<'_>, path: &Path, named: Option<&str>) -> Result<ClassTexts, Error> {
    let (path, own) = with_label(path);
    let rows = texts.classes(&path)?;
    TestTexts::labelled(&rows, own.as_deref(), named).request(format!("can't use {}", path.display()))
}

fn named<T>(
    files: &BTreeMap<String, PathBuf>,
    read: impl Fn(&Path) -> Result<T, Error>,
) -> Result<BTreeMap<String, T>, Error> {
    files.iter().map(|(name, path)| Ok((name.clone(), read(path)?))).collect()
}

fn keyword(texts: &TextFiles<'_>, (name, keyword): (&String, &Keyword)) -> Result<WordList, Error> {
    let (text, sha256) = texts.words(&keyword.file)?;
    Ok(WordList {
        lexicon: Lexicon::parse(name, &text)?,
        expected: keyword.expected,
        lines: text.lines().count(),
        sha256,
    })
}

fn confounds(
    texts: &TextFiles<'_>,
    files: &BTreeMap<String, PathBuf>,
    template: &Template,
) -> Result<BTreeMap<String, LabelledTexts>, Error> {
    let read = |(name, path): (&String, &PathBuf)| {
        let (path, positive) = with_label(path);
        let file = NamedFile { name: name.clone(), path, positive };
        Ok((name.clone(), texts.question(&file, template)?))
    };
    files.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use truenorth_data::NearCopies;

    use super::*;
    use crate::host::Local;

    fn written(dir: &Path, name: &str, labels: [&str; 2]) -> PathBuf {
        let path = dir.join(name);
        let [a, b] = labels;
        std::fs::write(&path, format!("id,text,label\n1,one word,{a}\n2,two trees,{b}\n")).unwrap();
        path
    }

    #[test]
    fn the_report_names_the_labels_as_the_file_has_them() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Local::new("");
        let texts = TextFiles { desk: &desk, near: NearCopies::default() };
        for (labels, positive, said) in [
            (["0", "1"], None, ["label 1", "label 0"]),
            (["-1", "1"], None, ["label 1", "label -1"]),
            (["0", "1"], Some("0"), ["label 0", "label 1"]),
            (["negative", "positive"], None, ["positive", "negative"]),
            (["good", "bad"], Some("bad"), ["bad", "good"]),
        ] {
            let rows = texts.classes(&written(dir.path(), "c.csv", labels)).unwrap();
            assert_eq!(ends(&rows, positive), said);
        }
    }

    #[test]
    fn a_test_set_has_its_positive_label_behind_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Local::new("");
        let texts = TextFiles { desk: &desk, near: NearCopies::default() };
        let path = written(dir.path(), "yn.csv", ["no", "yes"]);
        let labelled = PathBuf::from(format!("{}:yes", path.display()));
        assert_eq!(tested(&texts, &labelled, None).unwrap().positive_end, "yes");
        for positive in [None, Some("1")] {
            let hint = tested(&texts, &path, positive).unwrap_err().hint().unwrap();
            assert!(hint.contains("F:LABEL") && !hint.contains("positive"), "{hint}");
        }
        // What the direction is estimated from has a key for it.
        let hint = super::labelled(&texts, &path, None).unwrap_err().hint().unwrap();
        assert!(hint.contains("under [data]") && !hint.contains("F:LABEL"), "{hint}");
        // The file alone is looked for, recorded and hashed; the label is part of what is asked.
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/human-values/two-models.toml");
        let mut study = StudyFile::read(&example, &desk).unwrap();
        study.data.tests.insert("x".into(), labelled);
        assert!(study.roles().contains(&("test x".into(), &*path)));
        assert_eq!(study.labels(), [("test x".to_owned(), "yes".to_owned())].into());
        there(&study).unwrap();
    }
}
