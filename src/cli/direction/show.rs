//! `direction show` and `direction compare`.

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use truenorth::artifact::{DirectionMetadata, NuisanceTexts};
use truenorth::math;

use super::super::output::{self, wrong_hint};
use super::load_all;

/// Says what a direction file holds.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction show values.safetensors --json")]
pub struct Show {
    /// The file of the direction.
    #[arg(value_name = "F.safetensors")]
    direction: PathBuf,
}

/// Cosines between directions.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  truenorth direction compare a.safetensors b.safetensors --json")]
pub struct Compare {
    /// The directions, of one width; each site of a file with several is one.
    #[arg(value_name = "F.safetensors", num_args = 1.., required = true)]
    directions: Vec<PathBuf>,
}

#[derive(Serialize)]
struct ComparedDirections {
    directions: Vec<NamedDirection>,
    /// `cosine[i][j]` of directions i and j.
    cosine: Vec<Vec<f64>>,
    /// Share of pairs of random directions at least as alike, either sign.
    p_random: Vec<Vec<f64>>,
}

#[derive(Serialize)]
struct NamedDirection {
    file: String,
    site: String,
    model: Option<String>,
}

impl Show {
    pub fn run(self) -> anyhow::Result<()> {
        let directions = load_all(&self.direction)?;
        let Some(direction) = directions.members().first() else { return Ok(()) };
        let metadata = direction.metadata();
        let mut map: std::collections::BTreeMap<_, _> = directions.to_map().into_iter().collect();
        if output::wants_json() {
            return output::json(&serde_json::json!({ "width": direction.width(), "metadata": map }));
        }
        // What is said of each site is for programs; their names are enough here.
        if map.remove("members").is_some() {
            let sites: Vec<String> = directions.sites().iter().map(ToString::to_string).collect();
            map.insert("sites".into(), sites.join(", "));
        }
        // The hash of each text is for programs.
        if let Some(with) = map.get_mut("projected_with") {
            let one = |(name, texts): (&String, &NuisanceTexts)| {
                format!("{name}: {} texts, SHA-256 {}", texts.texts.len(), texts.sha256)
            };
            *with = metadata.projected_with.iter().map(one).collect::<Vec<_>>().join("; ");
        }
        let mut rows = vec![vec!["width".to_owned(), direction.width().to_string()]];
        rows.extend(map.into_iter().map(|(k, v)| vec![k, v]));
        output::table(&rows);
        Ok(())
    }
}

impl Compare {
    pub fn run(self) -> anyhow::Result<()> {
        // Each site of a file is a direction of its own.
        let mut paths = Vec::new();
        let mut all = Vec::new();
        for path in &self.directions {
            for direction in load_all(path)?.members() {
                paths.push(path);
                all.push(direction.clone());
            }
        }
        if all.len() < 2 {
            return Err(wrong_hint(
                "there is one direction, and a cosine is of two",
                "name another file, or one with several sites",
            ));
        }
        let width = all.first().map_or(0, truenorth::artifact::Direction::width);
        for (path, direction) in paths.iter().zip(&all) {
            if direction.width() != width {
                let first = paths.first().map_or_else(String::new, |p| p.display().to_string());
                return Err(wrong_hint(
                    format!(
                        "{} is {} wide and {first} {width}; directions of different widths have no cosine",
                        path.display(),
                        direction.width()
                    ),
                    "compare directions of one model, or of models of one width",
                ));
            }
        }
        let cosine: Vec<Vec<f64>> = all
            .iter()
            .map(|a| {
                let cosines = all.iter().map(|b| math::cosine(a.to_f64().view(), b.to_f64().view()));
                cosines.collect::<Result<_, _>>()
            })
            .collect::<Result<_, _>>()?;
        let p_random = cosine
            .iter()
            .map(|row| row.iter().map(|c| math::share_with_cosine(*c, width)).collect::<Result<_, _>>())
            .collect::<Result<_, _>>()?;
        let named = |(path, m): (&&PathBuf, &DirectionMetadata)| NamedDirection {
            file: path.display().to_string(),
            site: m.site.to_string(),
            model: m.model.clone(),
        };
        let metadata = all.iter().map(truenorth::artifact::Direction::metadata);
        let directions: Vec<NamedDirection> = paths.iter().zip(metadata).map(named).collect();
        if output::wants_json() {
            return output::json(&ComparedDirections { directions, cosine, p_random });
        }
        let mut head = vec![String::new()];
        head.extend((1..=all.len()).map(|i| i.to_string()));
        let mut rows = vec![head];
        for (i, (d, cosines)) in directions.iter().zip(&cosine).enumerate() {
            let mut row = vec![format!("{} {} ({})", i + 1, d.file, d.site)];
            row.extend(cosines.iter().map(|c| format!("{c:.3}")));
            rows.push(row);
        }
        output::table(&rows);
        Ok(())
    }
}
