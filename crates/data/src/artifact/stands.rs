//! Where a foreign file has the vector that is chosen, and what else is said of it.

use truenorth_protocol::Site;

use super::error::DirectionError;
use super::pick::PickedVector;
use super::says::Says;

/// The site of the vector that is chosen: the one that is stated, else the one that the file says; none where nobody
/// says it. `own` is the site in metadata of this program.
///
/// # Errors
/// When two of them name different places: what is stated, the vector's own name or layer in the file, and the file's
/// metadata. What is stated may settle which of the latter two is meant.
pub(super) fn site(
    picked: &PickedVector,
    own: Option<Site>,
    says: &Says,
    asked: Option<Site>,
) -> Result<Option<Site>, DirectionError> {
    let named = picked.site.or(picked.called);
    let told = own.or(says.site);
    match (asked, named, picked.layer, told) {
        (Some(asked), Some(file), ..) if !same_place(asked, file) => {
            return Err(DirectionError::Stated { file, asked });
        }
        (Some(asked), None, Some(layer), _) if picked.listed && !numbers(layer, asked) => {
            return Err(DirectionError::StatedLayer { layer, asked });
        }
        // A row that is counted from 0 is no less of a layer, where one was asked for.
        (Some(asked), None, Some(layer), _) if picked.asked && !numbers(layer, asked) => {
            return Err(DirectionError::AskedLayer { layer, asked });
        }
        (Some(asked), None, None, Some(file)) if !same_place(asked, file) => {
            return Err(DirectionError::Stated { file, asked });
        }
        // The file has one vector, and says a layer of all of it.
        (Some(asked), None, None, None) => match says.layer {
            Some(layer) if !numbers(layer, asked) => {
                return Err(DirectionError::StatedLayer { layer, asked });
            }
            _ => {}
        },
        (None, Some(named), _, Some(told)) if !same_place(named, told) => {
            return Err(DirectionError::Told { named: format!("`{named}`"), told });
        }
        (None, None, Some(layer), Some(told)) if layer >= 0 && told.layer().map(i64::from) != Some(layer) => {
            return Err(DirectionError::Told { named: format!("layer {layer}"), told });
        }
        _ => {}
    }
    Ok(asked.or(own).or(named).or(says.site))
}

/// Whether a file may call a site by this layer: by its block, or by its place among hidden_states, which begin with
/// the embedding. Negative layers count from the end of a model that is not known.
fn numbers(layer: i64, site: Site) -> bool {
    let block = site.layer().map(i64::from);
    let entered = match site {
        Site::ResidPost(block) => Some(i64::from(block) + 1),
        Site::Embed => Some(0),
        _ => None,
    };
    layer < 0 || block.is_none() && entered.is_none() || block == Some(layer) || entered == Some(layer)
}

/// Whether two sites hold the same numbers.
pub(super) fn same_place(one: Site, other: Site) -> bool {
    leaving(one) == leaving(other)
}

/// What enters a block by the name of what leaves the one before it.
pub(super) fn leaving(site: Site) -> Site {
    match site {
        Site::ResidPre(l) if l > 0 => Site::ResidPost(l - 1),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Site::{Embed, FinalNorm, MlpOut, ResidPost, ResidPre};

    fn picked(called: Option<Site>, layer: Option<i64>) -> PickedVector {
        PickedVector {
            values: vec![],
            site: None,
            from: String::new(),
            called,
            unsure: None,
            layer,
            listed: true,
            asked: false,
        }
    }

    #[test]
    fn what_contradicts_is_refused_and_both_are_named() {
        for (called, layer, told, asked, expected) in [
            (Some(ResidPost(0)), None, None, Some(ResidPost(7)), Err(["resid_post.0", "resid_post.7"])),
            (Some(ResidPost(0)), None, None, Some(ResidPre(1)), Ok(ResidPre(1))),
            (None, Some(1), None, Some(ResidPost(5)), Err(["layer 1", "resid_post.5"])),
            (None, Some(1), None, Some(ResidPost(0)), Ok(ResidPost(0))),
            (None, Some(1), None, Some(MlpOut(1)), Ok(MlpOut(1))),
            (None, Some(0), None, Some(Embed), Ok(Embed)),
            (None, Some(-1), None, Some(ResidPost(5)), Ok(ResidPost(5))),
            (None, Some(9), None, Some(FinalNorm), Ok(FinalNorm)),
            (None, None, Some(ResidPost(1)), Some(ResidPre(1)), Err(["resid_post.1", "resid_pre.1"])),
            (None, None, Some(ResidPost(1)), None, Ok(ResidPost(1))),
            (None, Some(0), Some(ResidPost(1)), None, Err(["layer 0", "resid_post.1"])),
            // What is stated tells which of the two is meant.
            (None, Some(0), Some(ResidPost(1)), Some(ResidPost(0)), Ok(ResidPost(0))),
            (Some(ResidPost(0)), None, Some(ResidPost(1)), None, Err(["resid_post.0", "resid_post.1"])),
        ] {
            let says = Says { site: told, ..Says::default() };
            let found = site(&picked(called, layer), None, &says, asked);
            match (found, expected) {
                (Ok(found), Ok(site)) => assert_eq!(found, Some(site)),
                (Err(e), Err(both)) => {
                    let said = e.to_string();
                    assert!(both.iter().all(|b| said.contains(b)) && e.hint().is_some(), "{said}");
                }
                (found, expected) => panic!("{found:?}, {expected:?}"),
            }
        }
    }

    #[test]
    fn a_layer_that_is_asked_for_of_a_counted_stack_holds_what_is_stated() {
        let counted = PickedVector { listed: false, asked: true, ..picked(None, Some(2)) };
        let stated = |asked| site(&counted, None, &Says::default(), Some(asked));
        for fits in [ResidPost(2), ResidPost(1), ResidPre(2), MlpOut(2), FinalNorm] {
            assert_eq!(stated(fits).unwrap(), Some(fits));
        }
        for other in [ResidPost(0), Embed, MlpOut(1)] {
            let e = stated(other).unwrap_err();
            assert!(
                e.to_string().contains("--layer 2") && e.to_string().contains(&format!("`{other}`")),
                "{e}"
            );
            assert!(e.hint().unwrap().contains("--row N"), "{e}");
        }
        // A list of one vector has a place in it that no one asked for.
        let one = PickedVector { listed: false, ..picked(None, Some(0)) };
        assert_eq!(site(&one, None, &Says::default(), Some(ResidPost(5))).unwrap(), Some(ResidPost(5)));
    }

    #[test]
    fn a_layer_that_the_file_says_of_its_one_vector_holds_what_is_stated() {
        let says = Says::of_json(r#"{"layer": 12, "n": 3}"#).unwrap();
        let stated = |asked| site(&picked(None, None), None, &says, Some(asked));
        for fits in [ResidPost(12), ResidPost(11), ResidPre(12), MlpOut(12)] {
            assert_eq!(stated(fits).unwrap(), Some(fits));
        }
        let said = stated(ResidPost(5)).unwrap_err().to_string();
        assert!(said.contains("layer 12") && said.contains("resid_post.5"), "{said}");
        assert!(says.unsure.unwrap().contains("layer 12"));
    }
}
