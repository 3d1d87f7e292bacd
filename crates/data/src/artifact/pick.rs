//! Which vector of a file is meant: by array, by layer, by position, by row.

use truenorth_protocol::Site;

use super::error::DirectionError;
use super::foreign::Array;
use super::import::ImportAs;
use truenorth_files::room;

/// The prefix of arrays that are a vector a layer, and what site a layer of them is.
pub(super) type ALayer = (&'static str, fn(u32) -> Site);

/// What a file's arrays are called by, apart from their names.
#[derive(Clone, Debug, Default)]
pub(super) struct Layers {
    /// Arrays that are one vector a layer, `PREFIX.N`: the prefix, and what site they name.
    pub named: Option<ALayer>,
    /// The layers of the rows of a stack, where the file lists them.
    pub rows: Vec<i64>,
    /// The array that is meant where none is named, such as `W_dec`.
    pub usual: Option<&'static str>,
}

/// The vector that is meant, the site that its place in the file names, and how it was chosen.
#[derive(Debug)]
pub(super) struct Picked {
    pub values: Vec<f64>,
    pub site: Option<Site>,
    pub from: String,
}

/// Picks the vector that is asked for.
///
/// # Errors
/// When it is not certain which is meant, naming the flag that says it, or it is not there.
pub(super) fn pick(arrays: Vec<Array>, layers: &Layers, asked: &ImportAs) -> Result<Picked, DirectionError> {
    if let (None, Some((prefix, site_of))) = (&asked.array, layers.named) {
        let number = |a: &Array| a.name.strip_prefix(prefix)?.strip_prefix('.')?.parse::<u32>().ok();
        let have: Vec<u32> = arrays.iter().filter_map(number).collect();
        if !have.is_empty() {
            let wanted = match (asked.layer, asked.site, have.as_slice()) {
                (Some(layer), _, _) => u32::try_from(layer).ok(),
                (None, Some(site), _) => Some(layer_of(site, site_of)?),
                (None, None, [one]) => Some(*one),
                (None, None, _) => return Err(DirectionError::Layers { have: listed(&have) }),
            };
            let layer = wanted.filter(|l| have.contains(l)).ok_or_else(|| DirectionError::NoSuchLayer {
                layer: wanted.map_or_else(|| "that".into(), |l| l.to_string()),
                have: listed(&have),
            })?;
            let array =
                arrays.into_iter().find(|a| number(a) == Some(layer)).ok_or(DirectionError::NoArrays)?;
            let from = array.name.clone();
            let rest = ImportAs { layer: None, ..asked.clone() };
            let (values, _) = vector(array, &[], &rest)?;
            return Ok(Picked { values, site: Some(site_of(layer)), from });
        }
    }
    let stacked = asked.layer.is_some() || asked.position.is_some() || asked.row.is_some();
    let array = choose(arrays, asked.array.as_deref().or(layers.usual), stacked)?;
    let name = array.name.clone();
    let (values, how) = vector(array, &layers.rows, asked)?;
    let from = [name, how].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ");
    Ok(Picked { values, site: None, from })
}

/// The layer that a site names in a file with a vector for each of these sites; what leaves a block enters the next.
pub(super) fn layer_of(site: Site, site_of: fn(u32) -> Site) -> Result<u32, DirectionError> {
    let layer = match site {
        Site::ResidPre(l) => l.checked_sub(1).filter(|l| site_of(*l) == Site::ResidPost(*l)),
        other => other.layer().filter(|l| site_of(*l) == other),
    };
    layer.ok_or(DirectionError::ControlVectorSite(site))
}

fn listed(layers: &[u32]) -> String {
    layers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}

/// The array of this name, or the only one; where a row is asked for, the only stack.
pub(super) fn choose(
    mut arrays: Vec<Array>,
    name: Option<&str>,
    stacked: bool,
) -> Result<Array, DirectionError> {
    let names = || {
        let all: Vec<&str> = arrays.iter().map(|a| a.name.as_str()).collect();
        if all.is_empty() { "no arrays".to_owned() } else { all.join(", ") }
    };
    let stacks = || {
        let is_stack = |a: &Array| a.shape.iter().filter(|n| **n > 1).count() > 1;
        let all: Vec<usize> = (0..arrays.len()).filter(|i| is_stack(&arrays[*i])).collect();
        if let ([one], true) = (all.as_slice(), stacked) { Some(*one) } else { None }
    };
    let at = match name {
        Some(name) => arrays
            .iter()
            .position(|a| a.name == name)
            .ok_or_else(|| DirectionError::NoSuchArray { name: name.to_owned(), names: names() })?,
        None if arrays.len() == 1 => 0,
        // What this program and many scripts call it.
        None => stacks()
            .or_else(|| arrays.iter().position(|a| a.name == "direction"))
            .ok_or_else(|| DirectionError::Ambiguous { names: names() })?,
    };
    Ok(arrays.swap_remove(at))
}

/// The vector in an array of one axis longer than 1, or one of a stack, with how it was chosen. `rows` are the layers
/// of the rows, where the file lists them.
pub(super) fn vector(
    array: Array,
    rows: &[i64],
    asked: &ImportAs,
) -> Result<(Vec<f64>, String), DirectionError> {
    let Array { shape, values, .. } = array;
    let longer = shape.iter().filter(|n| **n > 1).count();
    let (row, layer, position) = (asked.row, asked.layer, asked.position);
    if row.is_some() && (layer.is_some() || position.is_some()) {
        return Err(DirectionError::RowAndLayer);
    }
    let place = |flag: &'static str, at: i64, count: usize| -> Result<usize, DirectionError> {
        let n = i64::try_from(count).unwrap_or(i64::MAX);
        let from_start = if at < 0 { at + n } else { at };
        usize::try_from(from_start).ok().filter(|i| *i < count).ok_or(DirectionError::NoSuchPlace {
            flag,
            at,
            count,
        })
    };
    let of_layer = |layer: usize, count: usize| -> Result<usize, DirectionError> {
        let wanted = i64::try_from(layer).unwrap_or(i64::MAX);
        if rows.len() != count {
            return place("layer", wanted, count);
        }
        rows.iter().position(|l| *l == wanted).ok_or_else(|| DirectionError::NoSuchLayer {
            layer: layer.to_string(),
            have: rows.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        })
    };
    let (at, how) = match (shape.as_slice(), row, layer, position) {
        (_, None, None, None) if longer <= 1 && !values.is_empty() => return Ok((values, String::new())),
        (&[rows, width], Some(row), _, _) if width > 0 => match row < rows {
            true => (row, format!("row {row}")),
            false => return Err(DirectionError::NoSuchRow { row, rows }),
        },
        (&[count, _], None, Some(layer), None) => (of_layer(layer, count)?, format!("layer {layer}")),
        (&[count, _], None, None, Some(p)) => (place("position", p, count)?, format!("position {p}")),
        (&[positions, count, _], None, Some(layer), Some(p)) => (
            place("position", p, positions)? * count + of_layer(layer, count)?,
            format!("position {p}, layer {layer}"),
        ),
        (&[1, count, _], None, Some(layer), None) => (of_layer(layer, count)?, format!("layer {layer}")),
        _ => return Err(DirectionError::Shape { found: shape }),
    };
    let width = shape.last().copied().unwrap_or(0);
    let chosen = values.get(at * width..(at + 1) * width).filter(|v| !v.is_empty());
    let chosen = chosen.ok_or(DirectionError::Shape { found: shape })?;
    let mut out = room(width)?;
    out.extend_from_slice(chosen);
    Ok((out, how))
}
