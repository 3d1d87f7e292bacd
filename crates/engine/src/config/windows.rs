//! Which layers see only a window, and what keys of windows do where a family reads none of them.

use serde_json::Value;

use super::ConfigError;
use super::keys::ConfigReader;
use crate::family::{Family, Windows};

/// The window of each layer, or none; `[layers]`.
pub(super) fn read(
    r: &ConfigReader,
    family: &Family,
    layers: usize,
    context: usize,
) -> Result<Vec<Option<usize>>, ConfigError> {
    let default = family.defaults.window;
    let sliding: Vec<bool> = match family.windows {
        Windows::None => {
            ignored_window(r, layers, context)?;
            ignored_types(r, None, layers, context)?;
            return Ok(vec![None; layers]);
        }
        Windows::All(default) => {
            let window = if r.has("sliding_window") { r.count("sliding_window")? } else { Some(default) };
            ignored_switch(r, window)?;
            ignored_types(r, window, layers, context)?;
            return Ok(vec![window; layers]);
        }
        Windows::Gated => {
            let on = r.flag("use_sliding_window")?.unwrap_or(false);
            let from = r.number("max_window_layers")?.unwrap_or(28.0);
            if !on {
                // The width is kept in configs that do not use it.
                r.count("sliding_window")?;
            }
            #[allow(clippy::cast_precision_loss)]
            let derived = |i: usize| {
                on && i as f64 >= from && (!r.has("sliding_window") || r.get("sliding_window").is_some())
            };
            let types = types(r, layers)?.unwrap_or_else(|| (0..layers).map(derived).collect());
            if !on && types.contains(&true) {
                return Err(r.bad(
                    "use_sliding_window",
                    &on.into(),
                    "true, as `layer_types` has sliding layers",
                ));
            }
            types
        }
        Windows::Types { every, key } => {
            let given = key.map(|key| r.count(key)).transpose()?.flatten();
            let named = types(r, layers)?;
            let every = given.unwrap_or(every);
            if let (Some(v), Some(_)) = (r.get("_sliding_window_pattern"), key)
                && named.is_none()
                && v.as_u64() != Some(every as u64)
            {
                return Err(r.bad("_sliding_window_pattern", v, "the pattern of `sliding_window_pattern`"));
            }
            named.unwrap_or_else(|| (0..layers).map(|i| (i + 1) % every != 0).collect())
        }
    };
    if !sliding.contains(&true) {
        r.count("sliding_window")?;
        ignored_switch(r, None)?;
        return Ok(vec![None; layers]);
    }
    let width = if r.has("sliding_window") { r.count("sliding_window")? } else { default };
    let Some(width) = width else {
        return Err(r.bad("sliding_window", &Value::Null, "a width, as some layers slide"));
    };
    if family.windows != Windows::Gated {
        ignored_switch(r, Some(width))?;
    }
    Ok(sliding.into_iter().map(|s| s.then_some(width)).collect())
}

/// Keys of windows where the code of the family has none. transformers' forward pass reads none of
/// them, but the cache of its generation drops keys beyond a window that the config names.
fn ignored_window(r: &ConfigReader, layers: usize, context: usize) -> Result<(), ConfigError> {
    r.flag("use_sliding_window")?;
    r.number("max_window_layers")?;
    // Of the two that it goes by, kinds of layers come first.
    let drops = types(r, layers)?.is_none_or(|types| types.contains(&true));
    if let Some(window) = r.count("sliding_window")?.filter(|window| drops && *window < context) {
        r.note(format!(
            "config key `sliding_window` is {window}, and the code of family `{}` in transformers has no window: \
             every token sees all before it, as there; only the cache of its `generate` drops tokens \
             beyond the window",
            r.family()
        ));
    }
    Ok(())
}

/// Keys of Qwen's switch where the family slides without one: transformers reads none of them.
fn ignored_switch(r: &ConfigReader, window: Option<usize>) -> Result<(), ConfigError> {
    r.number("max_window_layers")?;
    if let (Some(false), Some(_)) = (r.flag("use_sliding_window")?, window) {
        r.note(format!(
            "config key `use_sliding_window` is false, and family `{}` has no such switch in transformers: \
             its layers slide all the same",
            r.family()
        ));
    }
    Ok(())
}

/// `layer_types` where the code of the family makes all layers alike: transformers does not read it.
fn ignored_types(
    r: &ConfigReader,
    window: Option<usize>,
    layers: usize,
    context: usize,
) -> Result<(), ConfigError> {
    let slides = window.is_some_and(|window| window < context);
    if types(r, layers)?.is_some_and(|types| types.contains(&!slides)) {
        let all = if slides { "slide by `sliding_window`" } else { "see all tokens before" };
        r.note(format!(
            "config key `layer_types` is not read for family `{}`, as in transformers: all layers {all}",
            r.family()
        ));
    }
    Ok(())
}

/// `layer_types`, as whether each slides.
fn types(r: &ConfigReader, layers: usize) -> Result<Option<Vec<bool>>, ConfigError> {
    let Some(list) = r.list("layer_types")? else { return Ok(None) };
    if list.len() != layers {
        return Err(r.bad("layer_types", &list.len().into(), &format!("{layers} kinds, one a block")));
    }
    let kind = |v: &Value| match v.as_str() {
        Some("full_attention") => Ok(false),
        Some("sliding_attention") => Ok(true),
        _ => Err(r.bad("layer_types", v, "`full_attention` or `sliding_attention`")),
    };
    list.iter().map(kind).collect::<Result<_, _>>().map(Some)
}
