//! `monitor`: projections of texts on directions, token by token.

use std::path::PathBuf;

use clap::Args;
use truenorth::analyses::monitor::{Monitor, MonitorData, Params, Watched};
use truenorth::analyses::{Analysis as _, AnalysisContext, Parameters as _};
use truenorth::math::Seeds;

use super::args::{InputArgs, ModelArgs};
use super::direction::{chosen, load_all, load_all_for};
use super::output::RequestContext as _;
use super::progress::Bar;
use super::record::{OutArgs, ResultRecord};
use super::session::{self, Session};
use super::verb;

/// Reads texts token by token: the projection of every token's residual on each direction, at its site.
///
/// With --max-new-tokens the model goes on from each text, and what it writes is read too. All sites are read in one
/// pass. Projections are in mean residual norms of the site where the direction's file has it, else in units of the
/// residual stream; cosines are beside them.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth monitor --model smollm2-135m --direction values.safetensors \
    --input prompts.txt --max-new-tokens 48 --out monitor.json --report monitor/")]
pub struct MonitorCommand {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    input: InputArgs,
    /// A direction; repeatable. Of a file with several sites all are watched, or with F.safetensors@SITE one.
    #[arg(long, value_name = "F.safetensors", required = true)]
    direction: Vec<PathBuf>,
    #[command(flatten)]
    params: Params,
    #[command(flatten)]
    out: OutArgs,
}

impl MonitorCommand {
    pub fn run(self) -> anyhow::Result<()> {
        self.out.check()?;
        self.params.check()?;
        for file in &self.direction {
            load_all(file)?;
        }
        let (texts, loaded) = session::prompts(&self.input.input)?;
        let session = Session::open(&self.model)?;
        let info = session.runner().info();
        let mut directions = Vec::new();
        for file in &self.direction {
            let stem = chosen(file).0;
            let name = stem.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
            for d in load_all_for(file, info)?.members() {
                let metadata = d.metadata();
                directions.push(Watched {
                    name: name.clone(),
                    site: metadata.site,
                    direction: d.vector().to_vec(),
                    norm: metadata.residual_norm,
                });
            }
        }
        let seeds = Seeds::new(self.model.seed);
        let bar = Bar::new("watching", 0, "tokens", self.model.common.quiet);
        let asked = AnalysisContext { reader: session.reader(), seeds: &seeds, watch: &bar };
        let data = MonitorData { texts: &texts, directions: &directions };
        let found = Monitor::run(&data, &self.params, &asked)?;
        drop(bar);
        let mut record = ResultRecord::new(Monitor::NAME, self.model.seed, found)
            .model(session.record())
            .params(&self.params)?
            .file("texts", texts.len(), &loaded.sha256);
        for file in &self.direction {
            let bytes = std::fs::read(chosen(file).0).request(format!("can't read {}", file.display()))?;
            let sha256 = truenorth::files::sha256_hex(&bytes);
            record = record.file(format!("direction {}", file.display()), 1, &sha256);
        }
        verb::leave::<Monitor>(&record, &self.out)
    }
}
