//! Directions from and to the formats of the field.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::Path;

use ndarray::Array1;
use truenorth_protocol::Site;

use super::error::DirectionError;
use super::file::{read_file, write_file};
use super::foreign::{self, Array};
use super::layered::CONTROL_VECTOR;
use super::metadata::DirectionMetadata;
use super::pick::{ArrayLayers, layer_of, pick};
use super::says::Says;
use super::{Direction, gguf, npy, stands};
use truenorth_files::{available, sha256_hex};
use truenorth_stats::math::norm;

/// Formats of files with directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DirectionFormat {
    /// The artifact itself, or any safetensors file with a vector.
    Safetensors,
    /// A zip archive of NumPy arrays.
    Npz,
    /// One NumPy array, `.npy`.
    Npy,
    /// A control vector of llama.cpp: `direction.N` is `resid_post.N`.
    Gguf,
    /// A file of `torch.save`, or a plain pickle of tensors or arrays; read only.
    Pt,
}

/// The weights of a sparse autoencoder as SAELens saves them, and what lies beside them.
const SAE: &str = "sae_weights.safetensors";
const SAE_CONFIG: &str = "cfg.json";
/// Its array of which the rows are directions.
const DECODER: &str = "W_dec";

/// What the caller states about a foreign file.
///
/// Files of other programs do not say where their vector lives nor what its sign means, so both
/// must be stated; a file that this program exported says so itself, and what is stated here wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportAs {
    /// Where the direction lives. For a control vector it also chooses the layer.
    pub site: Option<Site>,
    /// What a positive projection means, in words.
    pub sign: Option<String>,
    /// Name of the model it was found on; none where that is not known.
    pub model: Option<String>,
    /// Revision of the model; none where that is not known.
    pub revision: Option<String>,
    /// Which array of the file; not needed where there is one, or one called `direction`. Keys of
    /// nested dictionaries are joined by dots.
    pub array: Option<String>,
    /// Which row of a stack of directions, from 0, such as a feature of a sparse autoencoder; of a stack `[positions, layers,
    /// hidden]` that of `position`.
    pub row: Option<usize>,
    /// Which layer: of a file with a vector a layer, as it numbers them; or of a stack `[layers, hidden]` or `[positions, layers,
    /// hidden]`, from 0 or, negative, from the end.
    pub layer: Option<i64>,
    /// Which position of a stack `[positions, layers, hidden]`, from 0 or, negative, from the end.
    pub position: Option<i64>,
}

impl DirectionFormat {
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
            Some("pt" | "pth" | "bin" | "ckpt" | "pkl" | "pickle") => Ok(Self::Pt),
            // A folder of SAELens.
            _ if path.is_dir() && path.join(SAE).is_file() => Ok(Self::Safetensors),
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

    /// The name in flags and messages, which is also the usual ending.
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
    pub fn import(path: &Path, format: DirectionFormat, stated: &ImportAs) -> Result<Self, DirectionError> {
        let path = if path.is_dir() { &path.join(SAE) } else { path };
        let bytes = read_file(path)?;
        // What stands beside the weights of a sparse autoencoder says where they belong.
        let beside = path.with_file_name(SAE_CONFIG);
        let config = match format {
            DirectionFormat::Safetensors if beside.is_file() => String::from_utf8(read_file(&beside)?).ok(),
            _ => None,
        };
        Self::import_beside(&bytes, format, stated, config.as_deref())
    }

    /// As [`Direction::import`], from memory.
    ///
    /// # Errors
    /// As [`Direction::import`].
    pub fn import_bytes(
        bytes: &[u8],
        format: DirectionFormat,
        stated: &ImportAs,
    ) -> Result<Self, DirectionError> {
        Self::import_beside(bytes, format, stated, None)
    }

    fn import_beside(
        bytes: &[u8],
        format: DirectionFormat,
        stated: &ImportAs,
        config: Option<&str>,
    ) -> Result<Self, DirectionError> {
        let FileContents { arrays, own, says, layers } = open(bytes, format, config)?;
        let own =
            if DirectionMetadata::is_own(&own) { Some(DirectionMetadata::from_map(own)?) } else { None };
        let model_width = arrays.iter().find(|a| a.name == DECODER).and_then(|a| a.shape.get(1).copied());
        let picked = pick(arrays, &layers, stated)?;
        if let Some(model) = model_width.filter(|width| *width != picked.values.len()) {
            return Err(DirectionError::Feature { from: picked.from, width: picked.values.len(), model });
        }
        let own_site = own.as_ref().map(|own| own.site);
        let site = stands::site(&picked, own_site, &says, stated.site)?;
        // The unit vector in 32 bits.
        available(picked.values.len() * size_of::<f32>())?;
        let vector = Array1::from(picked.values);
        let imported_norm = norm(vector.view());
        let mut metadata = match own {
            Some(own) => own,
            None => {
                let unsure = picked.unsure.clone().or_else(|| says.unsure.clone());
                let unstated = |what: &'static str| DirectionError::Unstated {
                    format: format.name(),
                    what,
                    unsure: unsure.clone().filter(|_| what == "site"),
                };
                let site = site.ok_or_else(|| unstated("site"))?;
                let sign = stated.sign.as_ref().or(says.sign.as_ref()).ok_or_else(|| unstated("sign"))?;
                let mut metadata = DirectionMetadata::new("imported", site, sign, &sha256_hex(bytes));
                metadata.extra.extend(says.extra);
                metadata.extra.insert("imported_from".to_owned(), format.name().to_owned());
                metadata.extra.insert("imported_norm".to_owned(), imported_norm.to_string());
                if !picked.from.is_empty() {
                    metadata.extra.insert("imported_array".to_owned(), picked.from);
                }
                metadata.model = says.model;
                metadata.revision = says.revision;
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
    /// room for them: in `metadata.json` of an npz, in `truenorth.*` entries of a GGUF. A GGUF has no strength beside its
    /// vector, so that an imported direction goes out with the norm it had.
    ///
    /// # Errors
    /// When the format is read only or can't name the site, or the file can't be written.
    pub fn export(&self, path: &Path, format: DirectionFormat) -> Result<(), DirectionError> {
        write_file(path, &self.export_bytes(format)?)
    }

    /// As [`Direction::export`], to memory.
    ///
    /// # Errors
    /// As [`Direction::export`].
    pub fn export_bytes(&self, format: DirectionFormat) -> Result<Vec<u8>, DirectionError> {
        let vector = self.vector.to_vec();
        match format {
            DirectionFormat::Safetensors => self.to_safetensors(),
            DirectionFormat::Npy => Ok(npy::write(&vector)),
            DirectionFormat::Npz => npz(&[("direction".into(), npy::write(&vector))], self.metadata.to_map()),
            DirectionFormat::Gguf => {
                let layer = written_layer(self.metadata.site)?;
                // What kind of model it is, as the file that it came from had it.
                let hint = self.metadata.extra.get("imported_model_hint").or(self.metadata.model.as_ref());
                let hint = hint.map_or("unknown", String::as_str);
                Ok(gguf::write(&[(layer, gguf::scaled(self))], hint, &self.metadata.to_map()))
            }
            DirectionFormat::Pt => Err(DirectionError::ReadOnly("pt")),
        }
    }
}

pub(super) struct FileContents {
    pub arrays: Vec<Array>,
    /// Metadata of this program, if it wrote the file.
    pub own: HashMap<String, String>,
    says: Says,
    pub layers: ArrayLayers,
}

/// Opens a file; `config` is what lies beside the weights of a sparse autoencoder.
pub(super) fn open(
    bytes: &[u8],
    format: DirectionFormat,
    config: Option<&str>,
) -> Result<FileContents, DirectionError> {
    let mut opened = FileContents {
        arrays: vec![],
        own: HashMap::new(),
        says: Says::default(),
        layers: ArrayLayers::default(),
    };
    match format {
        DirectionFormat::Safetensors => {
            opened.arrays = foreign::safetensors(bytes)?;
            opened.layers.rows = foreign::safetensors_layers(bytes)?;
            let (_, header) =
                safetensors::SafeTensors::read_metadata(bytes).map_err(DirectionError::Safetensors)?;
            opened.own = header.metadata().clone().unwrap_or_default();
            let texts = opened.own.iter().map(|(k, v)| (k.clone(), v.as_str().into()));
            opened.says = Says::of(&texts.collect());
            if opened.arrays.iter().any(|a| a.name == DECODER) {
                opened.layers.usual = Some(DECODER);
                opened.says = config.and_then(Says::of_json).unwrap_or(opened.says);
            }
        }
        DirectionFormat::Npz => {
            let found = foreign::npz(bytes)?;
            (opened.own, opened.arrays) = (found.own, found.arrays);
            (opened.says, opened.layers) = (found.says, found.layers);
        }
        DirectionFormat::Npy => {
            let (shape, values) = npy::read(bytes)?;
            opened.arrays = vec![Array { name: String::new(), shape, values }];
        }
        DirectionFormat::Gguf => {
            let file = gguf::read(bytes)?;
            (opened.arrays, opened.own) = (file.arrays, file.metadata);
            opened.layers.named = Some((CONTROL_VECTOR, Site::ResidPost));
            if let Some(hint) = file.hint {
                opened.says.note("imported_model_hint", hint);
            }
        }
        // Scripts call any file so.
        DirectionFormat::Pt if bytes.starts_with(b"\x93NUMPY") => {
            return open(bytes, DirectionFormat::Npy, config);
        }
        DirectionFormat::Pt => (opened.arrays, opened.says, opened.layers) = foreign::torch(bytes)?,
    }
    Ok(opened)
}

/// The layer that a control vector is written for: one from 1 on.
pub(super) fn written_layer(site: Site) -> Result<u32, DirectionError> {
    let layer = layer_of(site, Site::ResidPost)?;
    if layer > 0 { Ok(layer) } else { Err(DirectionError::ControlVectorSite(site)) }
}

pub(super) fn npz(
    arrays: &[(String, Vec<u8>)],
    metadata: HashMap<String, String>,
) -> Result<Vec<u8>, DirectionError> {
    let sorted: std::collections::BTreeMap<_, _> = metadata.into_iter().collect();
    let json = serde_json::to_vec_pretty(&sorted).expect("a map of text is JSON");
    // Stored, not compressed: floats hardly shrink and every reader takes it. The date is the
    // archive's own zero, so that equal directions give equal files.
    let options = zip::write::SimpleFileOptions::default()
        .compression_method(zip::CompressionMethod::Stored)
        .last_modified_time(zip::DateTime::default());
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let named = arrays.iter().map(|(name, array)| (format!("{name}.npy"), array));
    for (name, bytes) in named.chain([("metadata.json".to_owned(), &json)]) {
        archive.start_file(name, options).map_err(DirectionError::Zip)?;
        archive.write_all(bytes).map_err(|e| DirectionError::Zip(e.into()))?;
    }
    Ok(archive.finish().map_err(DirectionError::Zip)?.into_inner())
}
