//! Directions from and to the formats of the field.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::Path;

use ndarray::Array1;
use truenorth_protocol::Site;

use super::error::DirectionError;
use super::file::{read_file, write_file};
use super::foreign::{self, Array};
use super::metadata::Metadata;
use super::{Direction, gguf, npy};
use truenorth_files::{available, sha256_hex};
use truenorth_stats::math::norm;

/// Formats of files with directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// The artifact itself, or any safetensors file with a vector.
    Safetensors,
    /// A zip archive of NumPy arrays.
    Npz,
    /// One NumPy array.
    Npy,
    /// A control vector of llama.cpp: `direction.N` is `resid_post.N`.
    Gguf,
    /// A file of `torch.save`; read only.
    Pt,
}

/// What the caller states about a foreign file.
///
/// Files of other programs do not say where their vector lives nor what its sign means, so both
/// must be stated; a file that this program exported says so itself, and what is stated here wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportAs {
    /// Where the direction lives. For a control vector it also chooses the layer.
    pub site: Option<Site>,
    /// What a positive projection means.
    pub sign: Option<String>,
    /// The model, if known.
    pub model: Option<String>,
    /// Its revision, if known.
    pub revision: Option<String>,
    /// Which array of the file; not needed where there is one, or one called `direction`. Keys of
    /// nested dictionaries are joined by dots.
    pub array: Option<String>,
    /// Which row of a stack of directions, from 0.
    pub row: Option<usize>,
}

impl Format {
    /// The format a file's name ends in.
    ///
    /// # Errors
    /// When the ending is none of those known.
    pub fn of(path: &Path) -> Result<Self, DirectionError> {
        let ending = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
        match ending.as_deref() {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npz") => Ok(Self::Npz),
            Some("npy") => Ok(Self::Npy),
            Some("gguf") => Ok(Self::Gguf),
            Some("pt" | "pth") => Ok(Self::Pt),
            _ => Err(DirectionError::Format(path.display().to_string())),
        }
    }

    /// The format to write by a file's name.
    ///
    /// # Errors
    /// When the ending is none of those that are written.
    pub fn to_write(path: &Path) -> Result<Self, DirectionError> {
        match Self::of(path) {
            Ok(Self::Pt) => Err(DirectionError::ReadOnly("pt")),
            Err(_) => Err(DirectionError::WriteFormat(path.display().to_string())),
            Ok(format) => Ok(format),
        }
    }

    /// Its usual name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Safetensors => "safetensors",
            Self::Npz => "npz",
            Self::Npy => "npy",
            Self::Gguf => "gguf",
            Self::Pt => "pt",
        }
    }
}

impl Direction {
    /// Reads a direction from a file of any format, and normalises it. The norm it had is kept in
    /// the metadata as `imported_norm`.
    ///
    /// # Errors
    /// When the file is malformed or holds no single vector, or when neither file nor caller say
    /// site and sign.
    pub fn import(path: &Path, format: Format, stated: &ImportAs) -> Result<Self, DirectionError> {
        Self::import_bytes(&read_file(path)?, format, stated)
    }

    /// As [`Direction::import`], from memory.
    ///
    /// # Errors
    /// As [`Direction::import`].
    pub fn import_bytes(bytes: &[u8], format: Format, stated: &ImportAs) -> Result<Self, DirectionError> {
        let mut choice = stated.array.clone();
        let (arrays, own) = match format {
            Format::Safetensors => {
                let arrays = foreign::safetensors(bytes)?;
                let (_, header) =
                    safetensors::SafeTensors::read_metadata(bytes).map_err(DirectionError::Safetensors)?;
                (arrays, header.metadata().clone().unwrap_or_default())
            }
            Format::Npz => {
                let (arrays, json) = foreign::npz(bytes)?;
                (arrays, json.and_then(|j| serde_json::from_str(&j).ok()).unwrap_or_default())
            }
            Format::Npy => {
                let (shape, values) = npy::read(bytes)?;
                (vec![Array { name: String::new(), shape, values }], HashMap::new())
            }
            Format::Gguf => {
                let file = gguf::read(bytes)?;
                if let (None, Some(site)) = (&choice, stated.site) {
                    choice = Some(format!("direction.{}", control_layer(site)?));
                }
                (file.arrays, file.metadata)
            }
            Format::Pt => (foreign::torch(bytes)?, HashMap::new()),
        };
        let own = if Metadata::is_own(&own) { Some(Metadata::from_map(own)?) } else { None };
        let values = foreign::vector(foreign::choose(arrays, choice.as_deref())?, stated.row)?;
        // The unit vector in 32 bits.
        available(values.len() * size_of::<f32>())?;
        let vector = Array1::from(values);
        let imported_norm = norm(vector.view());
        let mut metadata = match own {
            Some(own) => own,
            None => {
                let unstated = |what| DirectionError::Unstated { format: format.name(), what };
                let site = stated.site.ok_or_else(|| unstated("site"))?;
                let sign = stated.sign.as_deref().ok_or_else(|| unstated("sign"))?;
                let mut metadata = Metadata::new("imported", site, sign, &sha256_hex(bytes));
                metadata.extra.insert("imported_from".to_owned(), format.name().to_owned());
                metadata.extra.insert("imported_norm".to_owned(), imported_norm.to_string());
                metadata
            }
        };
        metadata.site = stated.site.unwrap_or(metadata.site);
        if let Some(sign) = &stated.sign {
            metadata.sign.clone_from(sign);
        }
        metadata.model = stated.model.clone().or(metadata.model);
        metadata.revision = stated.revision.clone().or(metadata.revision);
        Self::new(vector.view(), metadata)
    }

    /// Writes the direction in a format, all or nothing. Metadata go along where the format has
    /// room for them: in `metadata.json` of an npz, in `truenorth.*` entries of a GGUF.
    ///
    /// # Errors
    /// When the format is read only or can't name the site, or the file can't be written.
    pub fn export(&self, path: &Path, format: Format) -> Result<(), DirectionError> {
        write_file(path, &self.export_bytes(format)?)
    }

    /// As [`Direction::export`], to memory.
    ///
    /// # Errors
    /// As [`Direction::export`].
    pub fn export_bytes(&self, format: Format) -> Result<Vec<u8>, DirectionError> {
        let vector = self.vector.to_vec();
        match format {
            Format::Safetensors => self.to_safetensors(),
            Format::Npy => Ok(npy::write(&vector)),
            Format::Npz => npz(&npy::write(&vector), &self.metadata),
            Format::Gguf => {
                let layer = control_layer(self.metadata.site)?;
                let hint = self.metadata.model.as_deref().unwrap_or("unknown");
                Ok(gguf::write(layer, &vector, hint, &self.metadata.to_map()))
            }
            Format::Pt => Err(DirectionError::ReadOnly("pt")),
        }
    }
}

/// The `N` of `direction.N` for a site: what leaves block `N`, which also is what enters the next.
fn control_layer(site: Site) -> Result<u32, DirectionError> {
    let layer = match site {
        Site::ResidPost(l) => Some(l),
        Site::ResidPre(l) => l.checked_sub(1),
        _ => None,
    };
    layer.filter(|l| *l > 0).ok_or(DirectionError::ControlVectorSite(site))
}

fn npz(array: &[u8], metadata: &Metadata) -> Result<Vec<u8>, DirectionError> {
    let sorted: std::collections::BTreeMap<_, _> = metadata.to_map().into_iter().collect();
    let json = serde_json::to_vec_pretty(&sorted).expect("a map of text is JSON");
    // Stored, not compressed: floats hardly shrink and every reader takes it. The date is the
    // archive's own zero, so that equal directions give equal files.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [("direction.npy", array), ("metadata.json", &json)] {
        archive.start_file(name, options).map_err(DirectionError::Zip)?;
        archive.write_all(bytes).map_err(|e| DirectionError::Zip(e.into()))?;
    }
    Ok(archive.finish().map_err(DirectionError::Zip)?.into_inner())
}
