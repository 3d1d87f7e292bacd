//! Directions of several sites in one file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use safetensors::tensor::SafeTensors;
use serde::{Deserialize, Serialize};
use truenorth_protocol::Site;

use super::error::DirectionError;
use super::file::{DirectionTensor, read_file, write_file};
use super::foreign::{self, Array};
use super::import::ImportAs;
use super::metadata::DirectionMetadata;
use super::{Direction, pick};
use truenorth_files::safetensors_bytes;

/// The version of a file with directions of several sites. One of a single site stays what it was.
const VERSION: &str = "2";
/// The entry that lists the sites, in the order of a pass.
const SITES: &str = "sites";
/// The entry with what is said of each site, as far as it is not what is said of the first.
const MEMBERS: &str = "members";
/// The entry of a vector that all sites share.
const SHARED: &str = "shared";

/// Directions of one contrast at several sites of a model, in the order of a pass: what one file holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Directions {
    members: Vec<Direction>,
    shared: Option<SharedVector>,
}

/// One vector in the place of a direction a site: the unit mean of theirs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SharedVector {
    /// Where what is projected out was projected out of the mean again; none where nothing is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected_at: Option<Site>,
    /// Its cosine with the direction of each site.
    pub cosines: Vec<(Site, f64)>,
    /// The least of these cosines.
    pub least_cosine: f64,
}

impl Directions {
    /// Directions of different sites of one width.
    ///
    /// # Errors
    /// When there are none, two of one site, or of several widths.
    pub fn new(mut members: Vec<Direction>) -> Result<Self, DirectionError> {
        members.sort_by_key(|d| d.metadata.site.order());
        let first = members.first().ok_or(DirectionError::NoArrays)?.width();
        for pair in members.windows(2) {
            if let [one, two] = pair
                && one.metadata.site == two.metadata.site
            {
                return Err(DirectionError::SameSite(one.metadata.site));
            }
        }
        match members.iter().find(|d| d.width() != first) {
            Some(other) => Err(DirectionError::Width { direction: other.width(), model: first }),
            None => Ok(Self { members, shared: None }),
        }
    }

    /// The same sites with one vector, which is that of the members.
    ///
    /// # Errors
    /// As [`Directions::new`].
    pub fn sharing(members: Vec<Direction>, shared: SharedVector) -> Result<Self, DirectionError> {
        Ok(Self { shared: Some(shared), ..Self::new(members)? })
    }

    /// A direction a site, in the order of a pass; never none.
    #[must_use]
    pub fn members(&self) -> &[Direction] {
        &self.members
    }

    /// How the vector that all sites share came to be; none where each has its own.
    #[must_use]
    pub fn shared(&self) -> Option<&SharedVector> {
        self.shared.as_ref()
    }

    /// The sites, in the order of a pass.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        self.members.iter().map(|d| d.metadata.site).collect()
    }

    /// The direction of a site.
    ///
    /// # Errors
    /// When there is none, naming those there are.
    pub fn at(&self, site: Site) -> Result<&Direction, DirectionError> {
        let found = self.members.iter().find(|d| d.metadata.site == site);
        found.ok_or_else(|| DirectionError::NoSuchSite { site, have: self.listed() })
    }

    /// The direction of each of these sites, or of all its own; where there is one vector it is the same at every site.
    ///
    /// # Errors
    /// When there is none for a site, naming those there are.
    pub fn placed(&self, sites: Option<&[Site]>) -> Result<Vec<(Site, &Direction)>, DirectionError> {
        let Some(sites) = sites else {
            return Ok(self.members.iter().map(|d| (d.metadata.site, d)).collect());
        };
        let one = self.members.first().filter(|_| self.members.len() == 1 || self.shared.is_some());
        let of = |site: &Site| Ok((*site, self.at(*site).or_else(|error| one.ok_or(error))?));
        sites.iter().map(of).collect()
    }

    /// The direction, where it is of one site.
    ///
    /// # Errors
    /// When there are several, naming their sites.
    pub fn one(&self) -> Result<&Direction, DirectionError> {
        match self.members.as_slice() {
            [one] => Ok(one),
            _ => Err(DirectionError::Several { have: self.listed() }),
        }
    }

    /// Takes over what a caller states.
    pub(super) fn state(&mut self, stated: &ImportAs) {
        for member in &mut self.members {
            let metadata = &mut member.metadata;
            if let Some(sign) = &stated.sign {
                metadata.sign.clone_from(sign);
            }
            metadata.model = stated.model.clone().or(metadata.model.take());
            metadata.revision = stated.revision.clone().or(metadata.revision.take());
        }
    }

    fn listed(&self) -> String {
        self.sites().iter().map(Site::to_string).collect::<Vec<_>>().join(", ")
    }

    /// What is known of all, as a map of strings: of one site as [`DirectionMetadata::to_map`] has it.
    #[must_use]
    pub fn to_map(&self) -> HashMap<String, String> {
        let Some((first, rest)) = self.members.split_first() else { return HashMap::new() };
        let mut map = first.metadata.to_map();
        if rest.is_empty() {
            return map;
        }
        let apart = |d: &Direction| -> BTreeMap<String, Option<String>> {
            let own = d.metadata.to_map();
            let gone = map.keys().filter(|k| !own.contains_key(*k)).map(|k| (k.clone(), None));
            let other = own.iter().filter(|(k, v)| map.get(*k) != Some(v));
            gone.chain(other.map(|(k, v)| (k.clone(), Some(v.clone())))).collect()
        };
        let members: BTreeMap<String, _> =
            rest.iter().map(|d| (d.metadata.site.to_string(), apart(d))).collect();
        let json = |value: Result<String, serde_json::Error>| value.expect("maps of text are JSON");
        map.insert(MEMBERS.into(), json(serde_json::to_string(&members)));
        map.insert(SITES.into(), json(serde_json::to_string(&self.sites())));
        if let Some(shared) = &self.shared {
            map.insert(SHARED.into(), json(serde_json::to_string(shared)));
        }
        map.insert("format_version".into(), VERSION.into());
        map
    }

    /// Whether a map is that of several sites.
    pub(super) fn are_several(map: &HashMap<String, String>) -> bool {
        DirectionMetadata::is_own(map)
            && map.contains_key(SITES)
            && map.get("format_version").is_some_and(|v| v == VERSION)
    }

    /// Back from a map of strings and the vector of each site.
    pub(super) fn from_map(
        mut map: HashMap<String, String>,
        mut vector: impl FnMut(Site) -> Result<Vec<f64>, DirectionError>,
    ) -> Result<Self, DirectionError> {
        let sites: Vec<Site> = parsed(SITES, map.remove(SITES).ok_or(DirectionError::Missing(SITES))?)?;
        let members = map.remove(MEMBERS).ok_or(DirectionError::Missing(MEMBERS))?;
        let mut members: BTreeMap<String, BTreeMap<String, Option<String>>> = parsed(MEMBERS, members)?;
        let shared = map.remove(SHARED).map(|text| parsed(SHARED, text)).transpose()?;
        map.insert("format_version".into(), "1".into());
        let mut directions = Vec::with_capacity(sites.len());
        for site in sites {
            let mut own = map.clone();
            for (key, value) in members.remove(&site.to_string()).unwrap_or_default() {
                match value {
                    Some(value) => drop(own.insert(key, value)),
                    None => drop(own.remove(&key)),
                }
            }
            let metadata = DirectionMetadata::from_map(own)?;
            if metadata.site != site {
                return Err(DirectionError::Metadata {
                    key: SITES,
                    value: site.to_string(),
                    expected: "the site that is said beside each vector",
                });
            }
            directions.push(Direction::stored(vector(site)?.iter().map(|v| *v as f32).collect(), metadata)?);
        }
        Ok(Self { shared, ..Self::new(directions)? })
    }

    /// The bytes of the safetensors file: a tensor a site, `[hidden]` f32, under the site's name, and the metadata; of
    /// one site as [`Direction::to_safetensors`].
    ///
    /// # Errors
    /// When the metadata are too large for the format.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, DirectionError> {
        if let [one] = self.members.as_slice() {
            return one.to_safetensors();
        }
        let names: Vec<String> = self.sites().iter().map(Site::to_string).collect();
        let tensors = names.iter().map(String::as_str).zip(self.members.iter().map(DirectionTensor));
        safetensors_bytes(tensors, self.to_map()).map_err(DirectionError::Safetensors)
    }

    /// Reads what [`Directions::to_safetensors`] or [`Direction::to_safetensors`] writes.
    ///
    /// # Errors
    /// When the file is malformed, a tensor is no finite unit vector, or metadata are missing.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, DirectionError> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(DirectionError::Safetensors)?;
        let map = header.metadata().clone().unwrap_or_default();
        if !Self::are_several(&map) {
            return Ok(Direction::from_safetensors(bytes)?.into());
        }
        let arrays = foreign::safetensors(bytes)?;
        Self::from_map(map, |site| by_name(&arrays, &site.to_string()))
    }

    /// Reads an artifact of one or several sites.
    ///
    /// # Errors
    /// As [`Directions::from_safetensors`], or when the file can't be read.
    pub fn load(path: &Path) -> Result<Self, DirectionError> {
        Self::from_safetensors(&read_file(path)?)
    }

    /// Writes the artifact, all or nothing.
    ///
    /// # Errors
    /// When the file can't be written; an older file of that name is then as it was.
    pub fn save(&self, path: &Path) -> Result<(), DirectionError> {
        write_file(path, &self.to_safetensors()?)
    }
}

impl From<Direction> for Directions {
    fn from(one: Direction) -> Self {
        Self { members: vec![one], shared: None }
    }
}

pub(super) fn by_name(arrays: &[Array], name: &str) -> Result<Vec<f64>, DirectionError> {
    let array = pick::choose(arrays.to_vec(), Some(name), false)?;
    match array.shape.len() {
        1 => Ok(array.values),
        _ => Err(DirectionError::Shape { found: array.shape }),
    }
}

fn parsed<T: serde::de::DeserializeOwned>(key: &'static str, text: String) -> Result<T, DirectionError> {
    serde_json::from_str(&text).map_err(|_| DirectionError::Metadata {
        key,
        value: text.chars().take(80).collect(),
        expected: "its JSON form",
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array1;

    use super::*;

    fn member(layer: u32, sign: &str) -> Direction {
        let mut metadata = DirectionMetadata::new("imported", Site::ResidPost(layer), sign, "00");
        metadata.residual_norm = Some(f64::from(layer) + 0.5);
        if layer == 4 {
            metadata.extra.insert("note".into(), "only here".into());
        }
        let vector: Array1<f64> = (0..6).map(|i| f64::from(i * (layer + 1) % 7) - 2.0).collect();
        Direction::new(vector.view(), metadata).unwrap()
    }

    #[test]
    fn several_sites_come_back_in_the_order_of_a_pass() {
        let all = Directions::new(vec![member(8, "kind"), member(4, "kind"), member(6, "kind")]).unwrap();
        let bytes = all.to_safetensors().unwrap();
        let back = Directions::from_safetensors(&bytes).unwrap();
        assert_eq!(back, all);
        assert_eq!(back.sites(), [4, 6, 8].map(Site::ResidPost));
        assert_eq!(back.at(Site::ResidPost(6)).unwrap(), &member(6, "kind"));
        let told = back.one().unwrap_err().to_string();
        assert!(told.contains("resid_post.4, resid_post.6, resid_post.8"), "{told}");
        // A reader of one direction says that there are several.
        let one = Direction::from_safetensors(&bytes).unwrap_err();
        assert!(matches!(one, DirectionError::Several { .. }), "{one}");
    }

    #[test]
    fn a_shared_vector_says_how_it_came_to_be() {
        let cosines = vec![(Site::ResidPost(4), 0.9), (Site::ResidPost(6), 0.4)];
        let shared = SharedVector { projected_at: Some(Site::ResidPost(6)), cosines, least_cosine: 0.4 };
        let all = Directions::sharing(vec![member(4, "kind"), member(6, "kind")], shared).unwrap();
        assert_eq!(Directions::from_safetensors(&all.to_safetensors().unwrap()).unwrap(), all);
    }

    #[test]
    fn one_site_is_the_file_that_it_always_was() {
        let one = member(4, "kind");
        assert_eq!(Directions::from(one.clone()).to_safetensors().unwrap(), one.to_safetensors().unwrap());
        assert_eq!(
            Directions::from_safetensors(&one.to_safetensors().unwrap()).unwrap().one().unwrap(),
            &one
        );
    }

    #[test]
    fn a_site_twice_is_refused() {
        let error = Directions::new(vec![member(4, "kind"), member(4, "kind")]).unwrap_err();
        assert!(matches!(error, DirectionError::SameSite(Site::ResidPost(4))));
    }
}
