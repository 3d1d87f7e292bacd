//! Where the Hugging Face hub is, by what token it is asked, and where its files are kept.

use std::ffi::OsString;
use std::path::PathBuf;

use truenorth_data::models::HubOptions;

/// By variables and the user's home folder, in the order of `huggingface_hub`. One that is empty counts as not set.
pub(super) fn options(read: impl Fn(&str) -> Option<OsString>, home: Option<PathBuf>) -> HubOptions {
    let raw = |name: &str| read(name).filter(|value| !value.is_empty());
    let text = |name: &str| {
        let value = raw(name)?.into_string().ok()?;
        Some(value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    let folder = |name: &str| raw(name).map(PathBuf::from);
    let caches = || folder("XDG_CACHE_HOME").or_else(|| Some(home?.join(".cache")));
    let own = folder("HF_HOME").or_else(|| Some(caches()?.join("huggingface")));
    let kept = |path: PathBuf| {
        let token = std::fs::read_to_string(path).ok()?.trim().to_owned();
        Some(token).filter(|token| !token.is_empty())
    };
    let token = || {
        text("HF_TOKEN")
            .or_else(|| kept(folder("HF_TOKEN_PATH")?))
            .or_else(|| kept(own.as_ref()?.join("token")))
    };
    HubOptions {
        endpoint: text("HF_ENDPOINT"),
        token: if raw("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some() { None } else { token() },
        cache_dir: folder("HF_HUB_CACHE")
            .or_else(|| folder("HUGGINGFACE_HUB_CACHE"))
            .or_else(|| Some(own.as_ref()?.join("hub"))),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn of(variables: &[(&str, &str)], home: Option<&Path>) -> HubOptions {
        let read = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(*value))
        };
        options(read, home.map(Path::to_path_buf))
    }

    #[test]
    fn the_cache_is_where_python_has_it() {
        let at = |variables: &[(&str, &str)]| {
            of(variables, Some(Path::new("/home/ada"))).cache_dir.unwrap().display().to_string()
        };
        assert_eq!(at(&[]), "/home/ada/.cache/huggingface/hub");
        assert_eq!(at(&[("XDG_CACHE_HOME", "/x")]), "/x/huggingface/hub");
        assert_eq!(at(&[("XDG_CACHE_HOME", "/x"), ("HF_HOME", "/h")]), "/h/hub");
        assert_eq!(at(&[("HF_HOME", "/h"), ("HUGGINGFACE_HUB_CACHE", "/old")]), "/old");
        assert_eq!(at(&[("HUGGINGFACE_HUB_CACHE", "/old"), ("HF_HUB_CACHE", "/c")]), "/c");
        assert_eq!(at(&[("HF_HUB_CACHE", "")]), "/home/ada/.cache/huggingface/hub");
        assert_eq!(of(&[], None).cache_dir, None);
    }

    #[test]
    fn the_token_is_of_a_variable_or_a_file_unless_none_is_wanted() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().to_str().unwrap();
        let named = home.path().join("named");
        let token = |variables: &[(&str, &str)]| of(variables, None).token;
        assert_eq!(token(&[("HF_HOME", folder)]), None);
        std::fs::write(home.path().join("token"), "kept\n").unwrap();
        std::fs::write(&named, " named ").unwrap();
        let named = named.to_str().unwrap();
        let mut all = vec![("HF_HOME", folder)];
        for (name, value, shown) in [
            ("", "", Some("kept")),
            ("HF_TOKEN_PATH", named, Some("named")),
            ("HF_TOKEN", "given", Some("given")),
            ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1", None),
        ] {
            all.push((name, value));
            assert_eq!(token(&all).as_deref(), shown, "{name}");
        }
    }

    #[test]
    fn the_address_is_of_its_variable() {
        assert_eq!(of(&[("HF_ENDPOINT", " http://h ")], None).endpoint.as_deref(), Some("http://h"));
        assert_eq!(of(&[("HF_ENDPOINT", " ")], None).endpoint, None);
    }
}
