//! Directions of several sites from and to the formats of the field.

use std::path::Path;

use truenorth_protocol::Site;

use super::error::DirectionError;
use super::file::read_file;
use super::import::{DirectionFormat, ImportAs, npz, open, written_layer};
use super::layered::sites_of;
use super::several::by_name;
use super::{Direction, Directions, gguf, npy};

impl Directions {
    /// Reads what a file of any format holds: the vectors of all its layers where it has one a layer and none is chosen,
    /// else the one that is meant, as [`Direction::import`].
    ///
    /// # Errors
    /// As [`Direction::import`], of each of them.
    pub fn import(path: &Path, format: DirectionFormat, stated: &ImportAs) -> Result<Self, DirectionError> {
        let chosen = stated.layer.is_some() || stated.row.is_some() || stated.position.is_some();
        if path.is_dir() || chosen || stated.site.is_some() || stated.array.is_some() {
            return Ok(Direction::import(path, format, stated)?.into());
        }
        Self::import_bytes(&read_file(path)?, format, stated).or_else(|error| match error {
            // What lies beside the file may say more.
            unstated @ DirectionError::Unstated { .. } => match Direction::import(path, format, stated) {
                Ok(one) => Ok(one.into()),
                // All its layers are read at once: what is missing is not which of them.
                Err(DirectionError::Layers { .. }) => Err(unstated),
                Err(other) => Err(other),
            },
            other => Err(other),
        })
    }

    /// As [`Directions::import`], from memory, with nothing chosen.
    ///
    /// # Errors
    /// As [`Directions::import`].
    pub fn import_bytes(
        bytes: &[u8],
        format: DirectionFormat,
        stated: &ImportAs,
    ) -> Result<Self, DirectionError> {
        let opened = open(bytes, format, None)?;
        if Self::are_several(&opened.own) {
            let named = |site: Site| -> Result<String, DirectionError> {
                Ok(match format {
                    DirectionFormat::Gguf => format!("direction.{}", written_layer(site)?),
                    _ => site.to_string(),
                })
            };
            let mut all = Self::from_map(opened.own, |site| {
                let vector = by_name(&opened.arrays, &named(site)?)?;
                Ok(if format == DirectionFormat::Gguf { gguf::unscaled(vector) } else { vector })
            })?;
            all.state(stated);
            return Ok(all);
        }
        let places = sites_of(&opened.arrays, &opened.layers);
        if places.len() < 2 {
            return Ok(Direction::import_bytes(bytes, format, stated)?.into());
        }
        let one = |(layer, site)| {
            let stated = ImportAs { layer: Some(layer), site: Some(site), ..stated.clone() };
            Direction::import_bytes(bytes, format, &stated)
        };
        Self::new(places.into_iter().map(one).collect::<Result<_, _>>()?)
    }

    /// The bytes of a file in a format: of several sites a tensor or an array a site, or the layers of a control vector.
    ///
    /// # Errors
    /// When the format is read only, has room for one vector, or can't name a site.
    pub fn export_bytes(&self, format: DirectionFormat) -> Result<Vec<u8>, DirectionError> {
        if let [one] = self.members() {
            return one.export_bytes(format);
        }
        let vectors = || self.members().iter().map(|d| (d.metadata().site, d.vector().to_vec()));
        match format {
            DirectionFormat::Safetensors => self.to_safetensors(),
            DirectionFormat::Npz => {
                let arrays: Vec<_> = vectors().map(|(s, v)| (s.to_string(), npy::write(&v))).collect();
                npz(&arrays, self.to_map())
            }
            DirectionFormat::Gguf => {
                let layers =
                    self.members().iter().map(|d| Ok((written_layer(d.metadata().site)?, gguf::scaled(d))));
                let layers: Vec<(u32, Vec<f32>)> = layers.collect::<Result<_, DirectionError>>()?;
                let first = self.members().first().map(Direction::metadata);
                let hint =
                    first.and_then(|m| m.extra.get("imported_model_hint").or(m.model.as_ref()).cloned());
                Ok(gguf::write(&layers, hint.as_deref().unwrap_or("unknown"), &self.to_map()))
            }
            DirectionFormat::Npy => self.one()?.export_bytes(format),
            DirectionFormat::Pt => Err(DirectionError::ReadOnly("pt")),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::super::DirectionMetadata;
    use super::*;

    fn band() -> Directions {
        let one = |layer: u32| {
            let metadata =
                DirectionMetadata::new("imported", Site::ResidPost(layer), "kind over unkind", "00");
            let vector: Array1<f64> = (0..7).map(|i| f64::from(i * (layer + 2) % 5) - 1.5).collect();
            Direction::new(vector.view(), metadata).unwrap()
        };
        Directions::new([4, 8, 11].map(one).to_vec()).unwrap()
    }

    #[test]
    fn all_layers_go_out_and_come_back() {
        for format in [DirectionFormat::Gguf, DirectionFormat::Npz, DirectionFormat::Safetensors] {
            let bytes = band().export_bytes(format).unwrap();
            let back = Directions::import_bytes(&bytes, format, &ImportAs::default()).unwrap();
            assert_eq!(back, band(), "{format:?}");
        }
        assert!(matches!(band().export_bytes(DirectionFormat::Npy), Err(DirectionError::Several { .. })));
    }

    #[test]
    fn control_vectors_go_out_with_the_norms_that_they_came_in_with() {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        let stated = ImportAs { sign: Some("honest".into()), ..ImportAs::default() };
        let same = |bytes: &[u8], other: &[u8]| {
            let arrays = |bytes: &[u8]| {
                let mut arrays = gguf::read(bytes).unwrap().arrays;
                arrays.sort_by(|a, b| a.name.cmp(&b.name));
                arrays
            };
            let (here, there) = (arrays(bytes), arrays(other));
            assert_eq!(here.len(), there.len());
            for (a, b) in here.iter().zip(&there) {
                assert_eq!(a.name, b.name);
                assert!(a.values.iter().zip(&b.values).all(|(a, b)| (a - b).abs() < 1e-6), "{}", a.name);
            }
        };
        for name in ["packages/repeng.gguf", "repeng/step-7.gguf", "repeng/gemma3.gguf"] {
            let bytes = read_file(&fixtures.join(name)).unwrap();
            let all = Directions::import_bytes(&bytes, DirectionFormat::Gguf, &stated).unwrap();
            let out = all.export_bytes(DirectionFormat::Gguf).unwrap();
            same(&out, &bytes);
            // What went out comes in again, as unit vectors with the same norms, and goes out again.
            let back = Directions::import_bytes(&out, DirectionFormat::Gguf, &ImportAs::default()).unwrap();
            for (a, b) in back.members().iter().zip(all.members()) {
                assert_eq!(a.metadata(), b.metadata());
                assert!((a.to_f64() - b.to_f64()).iter().all(|d| d.abs() < 1e-6));
            }
            same(&back.export_bytes(DirectionFormat::Gguf).unwrap(), &bytes);
        }
        // One layer by itself, too.
        let layers = vec![(2, vec![0.0, -2.0, 0.0])];
        let bytes = gguf::write(&layers, "llama", &std::collections::HashMap::new());
        let one = ImportAs { layer: Some(2), ..stated };
        let one = Direction::import_bytes(&bytes, DirectionFormat::Gguf, &one).unwrap();
        same(&one.export_bytes(DirectionFormat::Gguf).unwrap(), &bytes);
    }

    #[test]
    fn layers_of_another_program_come_in_together_or_one_by_one() {
        let layers: Vec<(u32, Vec<f32>)> =
            vec![(1, vec![3.0, 0.0, 4.0]), (2, vec![0.0, -2.0, 0.0]), (10, vec![1.0, 1.0, 1.0])];
        let bytes = gguf::write(&layers, "llama", &std::collections::HashMap::new());
        let stated = ImportAs { sign: Some("honest".into()), ..ImportAs::default() };
        let all = Directions::import_bytes(&bytes, DirectionFormat::Gguf, &stated).unwrap();
        assert_eq!(all.sites(), [1, 2, 10].map(Site::ResidPost));
        let norms: Vec<&str> =
            all.members().iter().map(|d| &d.metadata().extra["imported_norm"][..]).collect();
        assert_eq!(norms[..2], ["5", "2"]);
        assert_eq!(all.members()[0].vector().to_vec(), [0.6, 0.0, 0.8]);
        let one = ImportAs { layer: Some(2), ..stated };
        let one = Direction::import_bytes(&bytes, DirectionFormat::Gguf, &one).unwrap();
        assert_eq!(one.metadata().site, Site::ResidPost(2));
    }
}
