//! Which vector of a file is meant: by array, by layer, by position, by row.

use truenorth_protocol::Site;

use super::error::DirectionError;
use super::foreign::Array;
use super::import::ImportAs;
use super::layered::{by_layer, site_of_name};
use super::stands::leaving;
use truenorth_files::room;

/// The prefix of arrays that are a vector a layer, and what site a layer of them is.
pub(super) type ALayer = (&'static str, fn(u32) -> Site);

/// What a file's arrays are called by, apart from their names.
#[derive(Clone, Debug, Default)]
pub(super) struct ArrayLayers {
    /// Arrays that are one vector a layer, `PREFIX.N`: the prefix, and what site they name.
    pub named: Option<ALayer>,
    /// The layers of the rows of a stack, where the file lists them.
    pub rows: ListedLayers,
    /// The array that is meant where none is named, such as `W_dec`.
    pub usual: Option<&'static str>,
}

/// Layers that a file lists of the rows of a stack.
#[derive(Clone, Debug, Default)]
pub(super) struct ListedLayers {
    /// The array that lists them, such as `band`.
    pub name: String,
    /// As it lists them; empty where nothing does.
    pub listed: Vec<i64>,
    /// The element type of a list that is not read, such as text.
    pub unread: Option<String>,
}

impl ListedLayers {
    /// The layer of each of these rows: as many as are listed, or, of two ends, those from one to the other; counted from 0
    /// where no layers are listed, or their number alone. None where what is listed says no layer for each row.
    fn of(&self, rows: usize) -> Option<Vec<i64>> {
        let listed = &self.listed;
        let n = i64::try_from(rows).ok()?;
        if self.unread.is_some() {
            return None;
        }
        if listed.is_empty() || *listed == [n] && rows > 1 {
            return Some(vec![]);
        }
        let twice = |i: usize| listed[..i].contains(&listed[i]);
        if listed.len() == rows && !(0..rows).any(twice) {
            return Some(listed.clone());
        }
        match listed.as_slice() {
            &[low, high] if high.checked_sub(low).and_then(|d| d.checked_add(1)) == Some(n) => {
                Some((low..=high).collect())
            }
            _ => None,
        }
    }

    fn refused(&self, rows: usize) -> DirectionError {
        if let Some(dtype) = &self.unread {
            return DirectionError::BandType { name: self.name.clone(), dtype: dtype.clone() };
        }
        let listed: Vec<String> = self.listed.iter().take(8).map(i64::to_string).collect();
        let more = if self.listed.len() > listed.len() { ", …" } else { "" };
        DirectionError::Band { name: self.name.clone(), listed: listed.join(", ") + more, rows }
    }
}

/// The vector that is meant, the site that its place in the file names, and how it was chosen.
#[derive(Debug)]
pub(super) struct PickedVector {
    pub values: Vec<f64>,
    pub site: Option<Site>,
    pub from: String,
    /// The site that the array's own name is, which what is stated may correct.
    pub called: Option<Site>,
    /// Why the file does not say the site, where it nearly does.
    pub unsure: Option<String>,
    /// The layer that the vector is of, where no site is certain.
    pub layer: Option<i64>,
    /// Whether the file itself calls it so; else it is counted from 0.
    pub listed: bool,
    /// Whether it was asked for, of a stack whose rows are counted.
    pub asked: bool,
}

/// Picks the vector that is asked for.
///
/// # Errors
/// When it is not certain which is meant, naming the flag that says it, or it is not there.
pub(super) fn pick(
    mut arrays: Vec<Array>,
    layers: &ArrayLayers,
    asked: &ImportAs,
) -> Result<PickedVector, DirectionError> {
    if asked.array.is_none()
        && let Some(found) = by_layer(&mut arrays, layers, asked)?
    {
        return Ok(found);
    }
    let stacked = asked.layer.is_some() || asked.position.is_some() || asked.row.is_some();
    let array = choose(arrays, asked.array.as_deref().or(layers.usual), stacked)?;
    let name = array.name.clone();
    let called = site_of_name(&name);
    let count = array.shape.iter().rev().nth(1).copied().unwrap_or(0);
    let rows = match layers.rows.of(count) {
        Some(rows) => rows,
        // Which row is of the layer is not known; counted from 0 it would be another's.
        None if count > 0 && asked.layer.is_some() => return Err(layers.rows.refused(count)),
        None => vec![],
    };
    let listed = !rows.is_empty() && rows.len() == count;
    let (values, how) = vector(array, &rows, asked)?;
    let from = [name, how].into_iter().filter(|p| !p.is_empty()).collect::<Vec<_>>().join(", ");
    let of_row = asked.row.and_then(|row| rows.get(row).copied());
    let layer = asked.layer.or(of_row).filter(|_| called.is_none());
    // A site beyond the rows says that they are not the layers from 0 on; then they are counted alone.
    let covers = asked.site.and_then(Site::layer).is_none_or(|l| l as usize <= count);
    let asked = asked.layer.is_some() && !listed && covers;
    Ok(PickedVector { values, site: None, from, called, unsure: None, layer, listed, asked })
}

/// The layer that a site names in a file with a vector for each of these sites.
pub(super) fn layer_of(site: Site, site_of: fn(u32) -> Site) -> Result<u32, DirectionError> {
    let left = leaving(site);
    let layer = left.layer().filter(|l| site_of(*l) == left);
    layer.ok_or(DirectionError::ControlVectorSite(site))
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
        Some(name) => arrays.iter().position(|a| a.name == name).ok_or_else(|| match arrays.as_slice() {
            [one] if one.name.is_empty() => DirectionError::Unnamed { name: name.to_owned() },
            _ => DirectionError::NoSuchArray { name: name.to_owned(), names: names() },
        })?,
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
    // Of a stack [positions, layers, hidden] a row is one of a position.
    if row.is_some() && (layer.is_some() || position.is_some() && shape.len() != 3) {
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
    let of_layer = |layer: i64, count: usize| -> Result<usize, DirectionError> {
        if rows.len() != count {
            return place("layer", layer, count);
        }
        rows.iter().position(|l| *l == layer).ok_or_else(|| DirectionError::NoSuchLayer {
            layer: layer.to_string(),
            have: rows.iter().map(i64::to_string).collect::<Vec<_>>().join(", "),
        })
    };
    let of_row = |row: usize, rows: usize| match row < rows {
        true => Ok(row),
        false => Err(DirectionError::NoSuchRow { row, rows }),
    };
    // Axes of 1 before a stack hold nothing to choose.
    let mut axes = shape.as_slice();
    while let [1, rest @ ..] = axes
        && rest.len() > 2
    {
        axes = rest;
    }
    let (at, how) = match (axes, row, layer, position) {
        (_, None, None, None) if longer <= 1 && !values.is_empty() => return Ok((values, String::new())),
        (&[rows, width] | &[1, rows, width], Some(row), _, None) if width > 0 => {
            (of_row(row, rows)?, format!("row {row}"))
        }
        (&[positions, count, width], Some(row), None, Some(p)) if width > 0 => (
            place("position", p, positions)? * count + of_row(row, count)?,
            format!("position {p}, row {row}"),
        ),
        (&[count, _], None, Some(layer), None) => (of_layer(layer, count)?, format!("layer {layer}")),
        (&[count, _], None, None, Some(p)) => (place("position", p, count)?, format!("position {p}")),
        (&[_, _], None, Some(_), Some(_)) if longer > 1 => {
            return Err(DirectionError::LayerAndPosition { found: shape });
        }
        (&[positions, count, _], None, Some(layer), Some(p)) => (
            place("position", p, positions)? * count + of_layer(layer, count)?,
            format!("position {p}, layer {layer}"),
        ),
        (&[1, count, _], None, Some(layer), None) => (of_layer(layer, count)?, format!("layer {layer}")),
        (_, Some(_), _, _) if longer <= 1 => return Err(DirectionError::OneVector { flag: "row" }),
        (_, _, Some(_), _) if longer <= 1 => return Err(DirectionError::OneVector { flag: "layer" }),
        (_, _, _, Some(_)) if longer <= 1 => return Err(DirectionError::OneVector { flag: "position" }),
        _ => return Err(DirectionError::Shape { found: shape }),
    };
    let width = shape.last().copied().unwrap_or(0);
    let chosen = values.get(at * width..(at + 1) * width).filter(|v| !v.is_empty());
    let chosen = chosen.ok_or(DirectionError::Shape { found: shape })?;
    let mut out = room(width)?;
    out.extend_from_slice(chosen);
    Ok((out, how))
}
