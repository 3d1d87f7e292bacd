//! `geometry`: how directions lie to each other, across categories and over training.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Args;
use truenorth::analyses::geometry::explorer;
use truenorth::analyses::geometry::{
    self, Checkpoint, CrossParams, CrossSteer, DirectionAt, Found, GeometryData, GeometryTexts, Params,
    Protocol,
};
use truenorth::analyses::{
    Analysis as _, AtSite, AtSites, ClassTexts, OneOrMore, Parameters as _, SiteRange,
};
use truenorth::artifact::{Direction as Artifact, Directions};
use truenorth::host::Desk as _;
use truenorth::math::Seeds;
use truenorth::report;
use truenorth_protocol::Site;

use super::args::{Common, ModelArgs, NumericsArgs, PlaceArgs, SpeechArgs};
use super::desk::{Opens, Terminal};
use super::direction::load_all;
use super::fallback::{self, Fallen};
use super::output::{RequestContext as _, wrong_hint};
use super::record::{OutArgs, ResultRecord};
use super::texts::CopiesArgs;
use super::{dry, made, target, verb};
use truenorth::inputs::checkpoints::{CheckpointReadings, PushedModel};

/// Cosines of directions across categories and checkpoints, with magnitudes, drift and probes.
///
/// With --classes the directions of every category are fitted here, at one checkpoint or at several, and
/// have intervals; each category stands against the general direction and against all others. With
/// --direction they are files, in training order; each names its category (metadata `category`, else its
/// sign) and its checkpoint (its model's revision).
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth geometry --checkpoint smollm2-135m --classes train.jsonl \
    --positive harmful --site resid_post.15 --out geometry.json --report geometry\n  truenorth geometry \
    --direction step-1.safetensors step-2.safetensors step-3.safetensors --out geometry.json")]
pub struct Geometry {
    /// Direction files in training order; of several sites, which all files then have, each site by itself on one page.
    #[arg(
        long,
        value_name = "F.safetensors",
        num_args = 1..,
        required_unless_present_any = ["checkpoint", "checkpoints"],
        conflicts_with_all = ["checkpoint", "checkpoints", "classes"]
    )]
    direction: Vec<PathBuf>,
    /// Checkpoints in training order, in any form of a model; one is enough for the categories. A name for results and
    /// the stage of training go before it, as `step-4000@mid=org/model@rev`.
    #[arg(long, value_name = "[NAME[@STAGE]=]M[@REV]", num_args = 1.., alias = "model", requires = "classes")]
    checkpoint: Vec<Checkpoint>,
    /// A list of checkpoints, one per line, as --checkpoint takes them; lines that begin with # are remarks.
    #[arg(long, value_name = "F.txt", requires = "classes", conflicts_with = "checkpoint")]
    checkpoints: Option<PathBuf>,
    /// Texts of two classes: JSONL, a JSON list or CSV with `id`, `text`, `label`, `category`, `group`.
    #[arg(long, value_name = "F.jsonl", requires = "site")]
    classes: Option<PathBuf>,
    /// The label of the positive class, unless the labels are 0 (or -1) and 1, false and true, or negative and
    /// positive.
    #[arg(long, value_name = "LABEL", requires = "classes")]
    positive: Option<String>,
    /// Where the texts are read: one site, and for several a run for each.
    #[arg(long, value_name = "S", requires = "classes", value_parser = one_site)]
    site: Option<Site>,
    #[command(flatten)]
    params: Params,
    /// Reads the last checkpoint's texts in these ways too, and tells the angles between the directions: last, mean, max
    /// or an index, with raw: or chat: before it, such as raw:last,raw:mean,raw:max,chat:last.
    #[arg(
        long,
        value_name = "P,..",
        value_delimiter = ',',
        allow_hyphen_values = true,
        requires = "classes"
    )]
    protocols: Vec<Protocol>,
    /// Deletes the weights that are fetched from the hub for a checkpoint once its texts are read, so that one is on disk at a
    /// time; what was there before stays. A run that goes on after it was cut short fetches them again.
    #[arg(long, requires = "classes")]
    delete_fetched: bool,
    #[command(flatten)]
    steer: Option<CrossParams>,
    /// What the steered model goes on from.
    #[arg(long, value_name = "F", requires = "model")]
    prompts: Option<PathBuf>,
    /// Seeds splits and shuffles.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    place: PlaceArgs,
    #[command(flatten)]
    speech: SpeechArgs,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    numerics: NumericsArgs,
    #[command(flatten)]
    copies: CopiesArgs,
    #[command(flatten)]
    out: OutArgs,
}

/// The site that texts are read at; of several what to do instead is said.
fn one_site(text: &str) -> Result<Site, String> {
    text.parse::<Site>().map_err(|e| match text.parse::<SiteRange>() {
        Ok(range) if range.sites().len() > 1 => {
            let sites = range.sites();
            format!(
                "it names {} sites, and texts are read at one; run `geometry` once for each, as in --site {} and then --site {}",
                sites.len(),
                sites[0],
                sites[1]
            )
        }
        _ => e.to_string(),
    })
}

impl Geometry {
    pub fn run(mut self) -> anyhow::Result<()> {
        self.out.check()?;
        if dry::on() {
            self.params.rehearse();
        }
        if let Some(path) = &self.checkpoints {
            let (mut file, name) = Terminal::TELLING.open(path)?;
            let mut text = String::new();
            file.read_to_string(&mut text).with_context(|| format!("can't read {name}"))?;
            self.checkpoint = Checkpoint::list(&text).request(format!("can't use the list {name}"))?;
        }
        if let Some(dir) = self.explored() {
            target::writes_in(dir, &[explorer::NAME])?;
            report::free_page(&dir.join(explorer::NAME))?;
        }
        let record = match &self.classes {
            Some(path) => self.texts(path)?,
            None => self.files()?,
        };
        let record = record
            .choice("directions", self.direction.len())
            .choice("checkpoints", serde_json::to_value(&self.checkpoint)?);
        verb::leave::<AtSites<geometry::Geometry>>(&record, &self.out)?;
        if let (Some(dir), Some(Found::Texts(found))) = (self.explored(), record.result.one()) {
            let path = report::write_page(dir, explorer::NAME, &explorer::html(found))?;
            eprintln!("{}", path.display());
        }
        Ok(())
    }

    /// The folder of the explorer, which takes checkpoints to move through.
    fn explored(&self) -> Option<&Path> {
        self.out.report.as_deref().filter(|_| self.checkpoint.len() > 1)
    }

    fn texts(&self, path: &Path) -> anyhow::Result<ResultRecord<OneOrMore<Found>>> {
        let Some(site) = self.site else {
            return Err(wrong_hint("the texts need a place to be read", "name it with --site"));
        };
        self.params.check()?;
        let rows = self.copies.texts().classes(path)?;
        let all = ClassTexts::new(&rows, self.positive.as_deref())
            .request(format!("can't use {}", path.display()))?;
        let prompts = match (&self.steer, &self.prompts) {
            (None, _) => None,
            (Some(steer), Some(path)) => {
                steer.check()?;
                Some(self.copies.texts().prompts(path)?)
            }
            (Some(_), None) => {
                return Err(wrong_hint(
                    "--steer-into has nothing to go on from",
                    "name a file of prompts with --prompts",
                ));
            }
        };
        let args = ModelArgs {
            model: String::new(),
            place: self.place.clone(),
            seed: self.seed,
            speech: self.speech.clone(),
            common: self.common.clone(),
            numerics: self.numerics.clone(),
        };
        fallback::check_alone(args.place.service.fallback.as_ref(), self.checkpoint.len())?;
        let host = Opens(&args);
        let open = CheckpointReadings::new(&self.checkpoint, &host, &all.prompts, (site, self.params.at()))
            .reading_too(&self.protocols);
        let again = self.steer.as_ref().map(|s| s.model.as_str());
        let open = if self.delete_fetched { open.deleting(again) } else { open };
        let (texts, seeds) = (GeometryTexts::from(&all), Seeds::new(self.seed));
        let target = self.steer.as_ref().map(|s| PushedModel::new(&s.model, &host));
        let steer = target.as_ref().zip(self.steer.as_ref()).zip(prompts.as_ref());
        let data = match steer {
            Some(((target, params), (prompts, _))) => {
                GeometryData::Steered(&texts, &open, CrossSteer { target, prompts, site, params })
            }
            None => GeometryData::Texts(&texts, &open),
        };
        let found = geometry::Geometry::of(&data, &self.params, &seeds);
        let pushed = target.map_or(Ok(vec![]), PushedModel::finish)?;
        let (found, mut models) = open
            .finish(found)
            .with_context(|| format!("can't compare the directions of {}", path.display()))?;
        models.extend(pushed);
        let mut record = ResultRecord::new(geometry::Geometry::NAME, self.seed, OneOrMore::One(found))
            .params(&self.params)?
            .file("classes", all.len(), &all.data_sha256)
            .choice("site", site.to_string())
            .choice("positive", all.positive_end.as_str())
            .choice("estimator", self.params.estimator().name())
            .choice("near-copies", self.copies.near_copies.threshold())
            .choice("copies", serde_json::to_value(&all.copies)?);
        if let (Some(steer), Some((prompts, loaded))) = (&self.steer, &prompts) {
            record = record
                .file("prompts", prompts.len(), &loaded.sha256)
                .choice("steer-into", serde_json::to_value(steer)?);
        }
        if !self.protocols.is_empty() {
            record = record.choice("protocols", serde_json::to_value(&self.protocols)?);
        }
        record.models = models;
        Ok(record)
    }

    fn files(&self) -> anyhow::Result<ResultRecord<OneOrMore<Found>>> {
        let files: Vec<Directions> =
            self.direction.iter().map(|p| load_all(p)).collect::<anyhow::Result<_>>()?;
        let first = |file: &Directions| file.members().first().cloned();
        let firsts: Vec<Artifact> = files.iter().filter_map(first).collect();
        self.check_fallen(&firsts)?;
        let Some(sites) = files.first().map(Directions::sites) else {
            return Err(wrong_hint("no direction", "name files with --direction"));
        };
        let seeds = Seeds::new(self.seed);
        let mut found = Vec::with_capacity(sites.len());
        for site in &sites {
            let at = self.at_site(&files, *site)?;
            let named = self.named(&at);
            let data = GeometryData::Directions(&named);
            found.push(AtSite {
                site: *site,
                found: geometry::Geometry::of(&data, &self.params, &seeds)
                    .with_context(|| format!("can't compare the directions at {site}"))?,
            });
        }
        // Nothing else was chosen: no text is read and nothing is estimated.
        let mut record = ResultRecord::new(geometry::Geometry::NAME, self.seed, OneOrMore::of(found))
            .choice("permutations", self.params.permutations);
        for (path, file) in self.direction.iter().zip(&firsts) {
            let n = file.metadata().n.unwrap_or(0);
            record = record.file(format!("data of {}", path.display()), n, &file.metadata().data_sha256);
        }
        let sites: Vec<String> = sites.iter().map(Site::to_string).collect();
        Ok(record.choice("site", sites.join(",")))
    }

    /// Refuses files of models that stand in for others beside files of those.
    fn check_fallen(&self, files: &[Artifact]) -> anyhow::Result<()> {
        let fallen = |file: &Artifact| {
            let text = file.metadata().extra.get("fallback")?;
            serde_json::from_str::<Fallen>(text).ok()
        };
        let marks: Vec<Option<Fallen>> = files.iter().map(fallen).collect();
        let ran = |mark: &Option<Fallen>| mark.as_ref().map(|f| f.model.clone());
        match marks.iter().position(|m| ran(m) != ran(&marks[0])) {
            None => Ok(()),
            Some(i) => {
                let i = if marks[i].is_some() { i } else { 0 };
                Err(made::mixed(&self.direction[i], marks[i].as_ref(), None, "the models of the others"))
            }
        }
    }

    /// The direction of each file at a site of the first one.
    fn at_site(&self, files: &[Directions], site: Site) -> anyhow::Result<Vec<Artifact>> {
        let mut out: Vec<Artifact> = Vec::with_capacity(files.len());
        for (path, file) in self.direction.iter().zip(files) {
            let other =
                || format!("{} does not live where {} does", path.display(), self.direction[0].display());
            let own = match file.one() {
                Ok(one) => {
                    one.check_site(site).request(other())?;
                    one
                }
                Err(_) => file.at(site).request(other())?,
            };
            if file.sites().len() != files[0].sites().len() {
                let has = |file: &Directions| {
                    file.sites().iter().map(Site::to_string).collect::<Vec<_>>().join(", ")
                };
                return Err(wrong_hint(
                    format!(
                        "{} lives at {}, and {} at {}",
                        path.display(),
                        has(file),
                        self.direction[0].display(),
                        has(&files[0])
                    ),
                    "name files of the same sites, or one site of each, as in --direction F.safetensors@resid_post.12",
                ));
            }
            if let Some(first) = out.first() {
                own.check_width(first.width()).request(format!(
                    "{} is not as wide as {}",
                    path.display(),
                    self.direction[0].display()
                ))?;
            }
            out.push(own.clone());
        }
        Ok(out)
    }

    /// Each file's category and checkpoint; files that their metadata can't tell apart go by their names.
    fn named(&self, files: &[Artifact]) -> Vec<DirectionAt> {
        let of = |file: &Artifact, path: &PathBuf, plain: bool| {
            let m = file.metadata();
            let stem = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
            DirectionAt {
                category: m.extra.get("category").unwrap_or(&m.sign).clone(),
                checkpoint: m.revision.clone().or_else(|| m.model.clone()).filter(|_| !plain).unwrap_or(stem),
                vector: file.to_f64(),
            }
        };
        let all = |plain: bool| -> Vec<DirectionAt> {
            files.iter().zip(&self.direction).map(|(f, p)| of(f, p, plain)).collect()
        };
        let found = all(false);
        let mut seen = std::collections::HashSet::new();
        if found.iter().all(|d| seen.insert((&d.category, &d.checkpoint))) { found } else { all(true) }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use truenorth::analyses::ChatChoice;

    use super::*;

    #[derive(clap::Parser)]
    struct Alone {
        #[command(flatten)]
        verb: Geometry,
    }

    #[test]
    fn several_sites_are_told_to_take_a_run_each() {
        let read = |site: &str| {
            let line = ["geometry", "--checkpoint", "m", "--classes", "c.jsonl", "--site", site];
            Alone::try_parse_from(line).map(|alone| alone.verb.site).map_err(|e| e.to_string())
        };
        assert_eq!(read("resid_post.1"), Ok(Some(Site::ResidPost(1))));
        for several in ["resid_post.1,resid_post.2", "resid_post.1..2"] {
            let said = read(several).unwrap_err();
            let remedy = "once for each, as in --site resid_post.1 and then --site resid_post.2";
            assert!(said.contains("2 sites") && said.contains(remedy), "{several}: {said}");
        }
        let said = read("resid_pst.1").unwrap_err();
        assert!(said.contains("`resid_pst.1`") && !said.contains("once for each"), "{said}");
    }

    #[test]
    fn the_template_of_the_checkpoints_is_not_that_of_the_steered_model() {
        let parse = |more: &[&str]| {
            let line = ["geometry", "--checkpoint", "s=m", "--classes", "c.jsonl", "--site", "resid_post.1"];
            Alone::try_parse_from(line.iter().chain(more)).map(|alone| alone.verb)
        };
        let own = Some(ChatChoice::Own(true));
        let read = parse(&["--chat"]).unwrap();
        assert!(read.speech.chat == own && read.steer.is_none(), "{read:?}");
        let into = ["--steer-into", "t", "--prompts", "p.txt"];
        let read = parse(&[&into[..], &["--chat"]].concat()).unwrap();
        assert!(read.speech.chat == own && read.steer.unwrap().chat.is_none());
        let read = parse(&[&into[..], &["--steer-chat=chatml"]].concat()).unwrap();
        assert_eq!(read.speech.chat, None);
        assert_eq!(read.steer.unwrap().chat, Some(ChatChoice::Named("chatml".into())));
        assert!(parse(&["--steer-chat"]).is_err());
    }
}
