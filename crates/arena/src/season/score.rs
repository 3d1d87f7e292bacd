//! The directions, probes and baselines of a season, ready to score with.

use std::path::Path;

use ndarray::{Array1, Array2};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use truenorth_boards::board::Scorer;
use truenorth_data::PromptInput;
use truenorth_data::artifact::Directions;
use truenorth_files::safetensors_bytes;
use truenorth_protocol::run::Watch;
use truenorth_protocol::{ModelInfo, Site};
use truenorth_reading::{NamedPrompt, Reader};

use super::file::{Scoring, SeasonFile};
use super::{Season, draft};
use crate::backend::ScoringModel;
use crate::error::ArenaError;

/// The file of the probes' residuals alone.
pub(super) const BASELINES: &str = "baselines.safetensors";

/// What submissions of a season are scored by.
#[derive(Clone, Debug)]
pub struct ScoringBasis {
    /// The neutral probes, texts.
    pub probes: Vec<NamedPrompt>,
    /// The directions, a vector a site each.
    pub directions: Vec<Vec<(Site, Array1<f64>)>>,
}

impl ScoringBasis {
    fn views(&self) -> Vec<Vec<(Site, ndarray::ArrayView1<'_, f64>)>> {
        self.directions.iter().map(|d| d.iter().map(|(site, v)| (*site, v.view())).collect()).collect()
    }

    pub(super) fn scorer(
        &self,
        reader: &Reader<'_>,
        how: &Scoring,
        watch: &dyn Watch,
    ) -> Result<Scorer, ArenaError> {
        Ok(Scorer::open(reader, &self.probes, &self.views(), (how.over, &how.join), watch)?)
    }
}

/// Reads what a season's file names in its folder, and holds it against the model.
pub(super) fn read(folder: &Path, file: &SeasonFile, info: &ModelInfo) -> Result<ScoringBasis, ArenaError> {
    let path = folder.join(&file.scoring.probes);
    let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
    let text = |row: truenorth_data::PromptRow| match row.input {
        PromptInput::Text(text) => NamedPrompt::text(row.id, text),
        _ => NamedPrompt::text(row.id, ""),
    };
    let probes = draft::probes(&bytes, &path)?.into_iter().map(text).collect();
    let mut directions = Vec::new();
    for name in &file.scoring.directions {
        let path = folder.join(name);
        let of = |source| ArenaError::Direction { path: path.clone(), source: Box::new(source) };
        let found = Directions::load(&path).map_err(of)?;
        for member in found.members() {
            member.check_width(info.hidden as usize).map_err(of)?;
            if let Some(layer) = member.metadata().site.layer().filter(|l| *l >= info.layers) {
                return Err(ArenaError::asked(
                    format!(
                        "{} lives at {}; {} has {} blocks, no block {layer}",
                        path.display(),
                        member.metadata().site,
                        info.name,
                        info.layers
                    ),
                    "use the model it was extracted from",
                ));
            }
        }
        directions.push(found.members().iter().map(|d| (d.metadata().site, d.to_f64())).collect());
    }
    Ok(ScoringBasis { probes, directions })
}

/// The baselines as a file; readings are 32-bit, so that nothing is lost.
pub(super) fn baselines(scorer: &Scorer, info: &ModelInfo) -> Result<Vec<u8>, ArenaError> {
    let tables: Vec<(String, Vec<u8>, Vec<usize>)> = scorer
        .sites()
        .iter()
        .zip(scorer.baselines())
        .map(|(site, table)| {
            #[allow(clippy::cast_possible_truncation)]
            let bytes = table.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect();
            (site.to_string(), bytes, table.shape().to_vec())
        })
        .collect();
    let failed = |e: safetensors::SafeTensorError| ArenaError::File {
        doing: "write",
        path: BASELINES.into(),
        source: std::io::Error::other(e),
    };
    let views = tables
        .iter()
        .map(|(site, bytes, shape)| {
            Ok((site.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?))
        })
        .collect::<Result<Vec<_>, ArenaError>>()?;
    let said = [("model", &info.name), ("revision", &info.revision), ("path", &info.path)];
    safetensors_bytes(views, said.map(|(key, value)| (key.to_owned(), value.clone()))).map_err(failed)
}

/// Opens what a sealed season is scored with, on the baselines that were kept.
///
/// # Errors
/// When the model is another than was sealed.
pub fn open_scorer(season: &Season, backend: &dyn ScoringModel) -> Result<Scorer, ArenaError> {
    let (sealed, info) = (&season.sealed, backend.runner().info());
    if (sealed.revision.as_str(), sealed.hidden) != (info.revision.as_str(), info.hidden) {
        return Err(ArenaError::asked(
            format!(
                "season `{}` was opened on {} (revision {}), and this is {} (revision {})",
                season.name(),
                sealed.model,
                sealed.revision,
                info.name,
                info.revision
            ),
            "serve the model that it was opened on; another model is another season",
        ));
    }
    let marks = read(season.folder(), &sealed.file, info)?;
    let path = season.folder().join(BASELINES);
    let bytes = std::fs::read(&path).map_err(ArenaError::file("read", &path))?;
    let failed = |e: safetensors::SafeTensorError| ArenaError::File {
        doing: "read",
        path: path.clone(),
        source: std::io::Error::other(e),
    };
    let tables = SafeTensors::deserialize(&bytes).map_err(failed)?;
    let mut alone = Vec::new();
    for site in &sealed.sites {
        let view = tables.tensor(site).map_err(failed)?;
        let values: Vec<f64> =
            view.data().as_chunks::<4>().0.iter().map(|b| f64::from(f32::from_le_bytes(*b))).collect();
        let shape = (view.shape().first().copied().unwrap_or(0), view.shape().get(1).copied().unwrap_or(0));
        alone.push(Array2::from_shape_vec(shape, values).map_err(|e| ArenaError::File {
            doing: "read",
            path: path.clone(),
            source: std::io::Error::other(e),
        })?);
    }
    let how = (sealed.file.scoring.over, sealed.file.scoring.join.as_str());
    Ok(Scorer::with_baselines(&backend.reader(), &marks.probes, &marks.views(), how, alone)?)
}

/// Opens what a season is scored with, on baselines that are computed anew.
///
/// # Errors
/// As [`open_scorer`], and when the baselines can't be computed.
pub(crate) fn fresh_scorer(
    season: &Season,
    backend: &dyn ScoringModel,
    watch: &dyn Watch,
) -> Result<Scorer, ArenaError> {
    let marks = read(season.folder(), &season.sealed.file, backend.runner().info())?;
    marks.scorer(&backend.reader(), &season.sealed.file.scoring, watch)
}

/// The directions and probes of a sealed season.
///
/// # Errors
/// When they can't be read, or do not fit the model.
pub fn marks(season: &Season, backend: &dyn ScoringModel) -> Result<ScoringBasis, ArenaError> {
    read(season.folder(), &season.sealed.file, backend.runner().info())
}
