//! Files with a vector a layer: arrays that are called by layer, or by another library's name of a place.

use truenorth_protocol::Site;
use truenorth_protocol::site::meant;

use super::error::DirectionError;
use super::foreign::Array;
use super::import::ImportAs;
use super::pick::{ArrayLayers, PickedVector, vector};
use super::stands::same_place;

/// How the tensors of a control vector of llama.cpp are called before their layers.
pub(super) const CONTROL_VECTOR: &str = "direction";

struct LayeredVector {
    at: usize,
    /// The layer that its name says; negative ones count from the model's end.
    layer: i64,
    site: Option<Site>,
}

/// The vector of the layer or the site that is asked for, in a file with a vector for each of several layers; none in
/// another file.
///
/// # Errors
/// When it is not certain which is meant, or it is not there.
pub(super) fn by_layer(
    arrays: &mut Vec<Array>,
    layers: &ArrayLayers,
    asked: &ImportAs,
) -> Result<Option<PickedVector>, DirectionError> {
    let places = match layers.named {
        Some((prefix, site_of)) => named(arrays, prefix, site_of),
        None => hooks(arrays).or_else(|| numbered(arrays)).unwrap_or_default(),
    };
    if places.is_empty() {
        return Ok(None);
    }
    let have = || places.iter().map(|p| p.layer.to_string()).collect::<Vec<_>>().join(", ");
    let of_site = |site: Site| places.iter().find(|p| p.site.is_some_and(|own| same_place(own, site)));
    let chosen = match (asked.layer, asked.site, &places[..]) {
        (Some(layer), site, _) => {
            let of_layer: Vec<&LayeredVector> = places.iter().filter(|p| p.layer == layer).collect();
            match (&of_layer[..], site.and_then(of_site)) {
                ([], _) => {
                    return Err(DirectionError::NoSuchLayer { layer: layer.to_string(), have: have() });
                }
                ([one], _) => *one,
                // Several places of one layer.
                (_, Some(of_site)) if of_site.layer == layer => of_site,
                _ => {
                    let names =
                        of_layer.iter().map(|p| arrays[p.at].name.as_str()).collect::<Vec<_>>().join(", ");
                    return Err(DirectionError::Ambiguous { names });
                }
            }
        }
        // One vector whose place is to be stated.
        (None, _, [one]) if one.site.is_none() => one,
        (None, Some(site), _) if places.iter().all(|p| p.site.is_some()) => {
            let wanted = || site.layer().map_or_else(|| site.to_string(), |layer| layer.to_string());
            match (of_site(site), layers.named) {
                (Some(found), _) => found,
                // Such a file can't name the site at all.
                (None, Some((prefix, site_of))) if !named_by(site, site_of) => {
                    let same_layer = |p: &&LayeredVector| site.layer().map(i64::from) == Some(p.layer);
                    let own = places.iter().find(same_layer).or(places.first()).and_then(|p| p.site);
                    return Err(match own {
                        // Other files than control vectors have a vector a layer, of another place.
                        Some(file) if prefix != CONTROL_VECTOR => {
                            DirectionError::Stated { file, asked: site }
                        }
                        _ => DirectionError::ControlVectorSite(site),
                    });
                }
                (None, _) => return Err(DirectionError::NoSuchLayer { layer: wanted(), have: have() }),
            }
        }
        (None, None, [one]) => one,
        _ => return Err(DirectionError::Layers { have: have() }),
    };
    let (site, layer) = (chosen.site, chosen.layer);
    // The first and only one of a list has a place there, and no layer by it.
    let listed = places.len() > 1 || layer != 0;
    let array = arrays.swap_remove(chosen.at);
    let from = array.name.clone();
    let (values, _) = vector(array, &[], &ImportAs { layer: None, ..asked.clone() })?;
    let unsure = site.is_none().then(|| match layer {
        ..0 => format!("its layer {layer} counts from the end of a model whose blocks it does not number"),
        _ => format!(
            "its layer {layer} may be block {layer}, which resid_post.{layer} leaves, or a place among hidden_states, which begin \
             with the embedding: there {layer} is {}",
            layer.checked_sub(1).filter(|l| *l >= 0).map_or_else(|| "embed".into(), |l| format!("resid_post.{l}"))
        ),
    });
    let (site, called) = if layers.named.is_some() { (site, None) } else { (None, site) };
    let layer = site.or(called).is_none().then_some(layer);
    Ok(Some(PickedVector { values, site, from, called, unsure, layer, listed, asked: false }))
}

/// The layers and sites of a file with a vector for each of several, where each is certain; else none.
pub(super) fn sites_of(arrays: &[Array], layers: &ArrayLayers) -> Vec<(i64, Site)> {
    let places = match layers.named {
        Some((prefix, site_of)) => named(arrays, prefix, site_of),
        None => hooks(arrays).unwrap_or_default(),
    };
    let certain: Option<Vec<(i64, Site)>> = places.iter().map(|p| Some((p.layer, p.site?))).collect();
    certain.unwrap_or_default()
}

/// Arrays that are `PREFIX.N`.
fn named(arrays: &[Array], prefix: &str, site_of: fn(u32) -> Site) -> Vec<LayeredVector> {
    let number = |a: &Array| a.name.strip_prefix(prefix)?.strip_prefix('.')?.parse::<i64>().ok();
    let place = |(at, a): (usize, &Array)| {
        let layer = number(a)?;
        Some(LayeredVector { at, layer, site: u32::try_from(layer).ok().map(site_of) })
    };
    arrays.iter().enumerate().filter_map(place).collect()
}

/// The site that an array's name is: one as this program writes it, or a hook's that is one for certain.
pub(super) fn site_of_name(name: &str) -> Option<Site> {
    name.parse().ok().or_else(|| meant(name)?.certain())
}

/// Arrays that are all called as hooks or modules are, each of a certain site.
fn hooks(arrays: &[Array]) -> Option<Vec<LayeredVector>> {
    let place = |(at, a): (usize, &Array)| {
        let site = site_of_name(&a.name)?;
        Some(LayeredVector { at, layer: site.layer()?.into(), site: Some(site) })
    };
    arrays.iter().enumerate().map(place).collect()
}

/// Several vectors that are called by one name and a number, or by a number alone.
fn numbered(arrays: &[Array]) -> Option<Vec<LayeredVector>> {
    let plain = |a: &Array| a.shape.iter().filter(|n| **n > 1).count() <= 1;
    fn place((at, a): (usize, &Array)) -> Option<(&str, LayeredVector)> {
        let (name, layer) = number_of(&a.name)?;
        Some((name, LayeredVector { at, layer, site: None }))
    }
    let found: Vec<(&str, LayeredVector)> = arrays.iter().enumerate().map(place).collect::<Option<_>>()?;
    let one_name = found.iter().all(|(name, _)| *name == found[0].0);
    (!found.is_empty() && one_name && arrays.iter().all(plain))
        .then(|| found.into_iter().map(|(_, p)| p).collect())
}

/// The number at the end of a name, and what stands before it: 3 of `3`, `layer_3`, `directions.3` and `L3`, -1 of `-1`.
fn number_of(name: &str) -> Option<(&str, i64)> {
    let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let (before, number) = name.split_at(name.len() - digits);
    let number: i64 = number.parse().ok()?;
    match before.strip_suffix('-') {
        Some(rest) if rest.is_empty() || rest.ends_with(['.', '_']) => Some((rest, -number)),
        _ => Some((before, number)),
    }
}

/// Whether a file with a vector for each of these sites can name this one.
fn named_by(site: Site, site_of: fn(u32) -> Site) -> bool {
    super::pick::layer_of(site, site_of).is_ok()
}

#[cfg(test)]
mod tests {
    use super::number_of;

    #[test]
    fn numbers_are_at_the_end_of_names() {
        for (name, found) in [
            ("3", Some(("", 3))),
            ("-1", Some(("", -1))),
            ("layer_12", Some(("layer_", 12))),
            ("directions.-2", Some(("directions.", -2))),
            ("layer-3", Some(("layer-", 3))),
            ("L4", Some(("L", 4))),
            ("mean", None),
            ("3b", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number_of(name), found, "{name}");
        }
    }
}
