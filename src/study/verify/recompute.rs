//! The study of a run, run once more and held against it.

use std::path::Path;

use serde_json::Value;
use truenorth_data::store::Store;
use truenorth_report::{HTML_NAME, JSON_NAME, render};
use truenorth_verify::{ComparedFile, Rule, ValuesError, below, compare, compare_pages, values};

use super::finished::FinishedRun;
use super::rules::{LEFT_OUT, RULES};
use super::verified::{Changed, EarlyStop, Uncompared, Verified};
use crate::error::{Error, ErrorContext as _, ErrorKind};
use crate::host::Host;
use crate::session::Session;
use crate::study::journal::{self, RunJournal};
use crate::study::record::{self, DataFile};
use crate::study::{RunSettings, Study, register};

/// Files of a run that hold none of its numbers.
const ASIDE: [(&str, &str); 3] = [
    (journal::NAME, "how far the run is, with seconds"),
    (record::NAME, "what the run is recomputed from"),
    (register::NAME, "what was expected of the study; its own seal was checked"),
];

impl FinishedRun {
    /// The files of the study's data that are not what the run read.
    fn changed(&self) -> Vec<Changed> {
        let changed = |file: &DataFile| {
            let is = truenorth_data::data_sha256(&file.path);
            let (role, was) = (file.role.clone(), file.sha256.clone());
            let path = file.path.canonicalize().unwrap_or_else(|_| file.path.clone());
            (is.as_ref() != Some(&was)).then_some(Changed { role, path, was, is })
        };
        self.record.files.iter().filter_map(changed).collect()
    }

    /// Runs the study again into `scratch`, a folder that is empty or not there, and compares. `open` gives the study's model; the
    /// others are the host's. Nothing is written into the run's folder.
    ///
    /// # Errors
    /// When a file of the run can't be read. What stops the recomputation is told beside what was compared until then.
    pub fn verify(
        &self,
        open: impl FnOnce() -> Result<Session, Error>,
        host: &dyn Host,
        program: &str,
        scratch: &Path,
    ) -> Result<Verified, Error> {
        let mut verified = Verified::of(&self.folder);
        verified.changed = self.changed();
        if self.record.program != program {
            verified.notes.push(
                "the run was made by another build of this program; what did not come back may be its doing"
                    .into(),
            );
        }
        let again = self.begin(scratch).and_then(|()| open()).and_then(|session| {
            let place =
                RunSettings { folder: scratch, program, keep: false, rehearsal: false, flags: Value::Null };
            let study = Study::of(&self.record.path, self.record.study.clone(), host.desk())?;
            let done = study.run(&session, host, &place);
            for store in session.store().into_iter().flat_map(Store::take_corrupt) {
                verified.notes.push(format!(
                    "an entry of the store is damaged, {} at {}: its checksum does not hold",
                    store.model, store.site
                ));
            }
            done.map(drop)
        });
        if let Err(error) = again {
            if error.kind() == ErrorKind::Interrupted {
                return Err(error);
            }
            verified.stopped = Some(EarlyStop::of(&error, &verified.changed));
        }
        self.files(scratch, &mut verified)?;
        Ok(verified)
    }

    /// Gives the recomputation what can't be made anew: a seal with its date, and what the store held before.
    fn begin(&self, scratch: &Path) -> Result<(), Error> {
        std::fs::create_dir_all(scratch).context(format!("can't make {}", scratch.display()))?;
        let sealed = self.folder.join(register::NAME);
        if sealed.exists() {
            let copy = scratch.join(register::NAME);
            std::fs::copy(&sealed, copy).context(format!("can't copy {}", sealed.display()))?;
        }
        RunJournal::begin(scratch, self.state.found_in_store)
    }

    fn files(&self, scratch: &Path, verified: &mut Verified) -> Result<(), Error> {
        let cant = |folder: &Path| format!("can't read the folder {}", folder.display());
        let there = below(&self.folder).context(cant(&self.folder))?;
        let fresh = below(scratch).context(cant(scratch))?;
        let mut rules: Vec<&Rule> = RULES.iter().collect();
        if self.state.stages.iter().any(|s| s.kept) {
            rules.push(&LEFT_OUT);
        }
        for file in &there {
            if let Some((_, why)) = ASIDE.iter().find(|(name, _)| name == file) {
                verified.not_compared.insert(file.clone(), Uncompared::Aside(why));
                continue;
            }
            if file == HTML_NAME {
                self.page(verified)?;
                continue;
            }
            let why = match (fresh.contains(file), &verified.stopped) {
                (true, _) => match self.file(file, scratch, &rules)? {
                    Ok(compared) => {
                        verified.add(compared);
                        continue;
                    }
                    Err(why) => Uncompared::Unreadable(why.to_string()),
                },
                (false, Some(_)) => Uncompared::NotRecomputed,
                (false, None) => Uncompared::NotOfTheRun,
            };
            verified.not_compared.insert(file.clone(), why);
        }
        for file in fresh.iter().filter(|f| !there.contains(f)) {
            verified.not_compared.insert(file.clone(), Uncompared::Gone);
        }
        Ok(())
    }

    fn file(
        &self,
        file: &str,
        scratch: &Path,
        rules: &[&Rule],
    ) -> Result<Result<ComparedFile, ValuesError>, Error> {
        let read = |folder: &Path| {
            let path = folder.join(file);
            let bytes = std::fs::read(&path).context(format!("can't read {}", path.display()))?;
            Ok::<_, Error>(values(file, &bytes))
        };
        Ok(match (read(&self.folder)?, read(scratch)?) {
            (Ok(written), Ok(recomputed)) => Ok(compare(file, &written, &recomputed, rules)),
            (Err(why), _) | (_, Err(why)) => Err(why),
        })
    }

    /// The page against the drawing of the numbers beside it.
    fn page(&self, verified: &mut Verified) -> Result<(), Error> {
        let read = |name: &str| {
            let path = self.folder.join(name);
            std::fs::read_to_string(&path).context(format!("can't read {}", path.display()))
        };
        let written = read(HTML_NAME)?;
        match read(JSON_NAME).and_then(|json| Ok(render::from_json(&json)?)) {
            Ok(document) => verified.add(compare_pages(HTML_NAME, &written, &render::html(&document))),
            Err(error) => {
                let why = format!("can't be drawn anew: {}", EarlyStop::of(&error, &[]).because.join(": "));
                verified.not_compared.insert(HTML_NAME.to_owned(), Uncompared::Unreadable(why));
            }
        }
        Ok(())
    }
}
