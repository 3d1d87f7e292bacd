//! The hub's protocol, served from a map of files: what is in a repository, and small files, by the hub itself; large ones
//! by another host, which the hub leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use sha1::Sha1;
use sha2::{Digest, Sha256};

use super::super::{HubFailure, HubOptions, ModelsError, ResolveOptions, resolve};
use truenorth_protocol::hash::hex;

pub(super) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(super) const TOKEN: &str = "hf_secret";

/// A request, as one of the two hosts got it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub method: String,
    /// Of the hub the path, of the other host `store:NAME`.
    pub what: String,
    pub token: bool,
    /// The first byte that was asked for.
    pub from: usize,
}

/// What the hosts do, which a test may change.
#[derive(Default)]
pub(super) struct Manners {
    pub files: BTreeMap<String, String>,
    /// Files that another host has.
    pub large: BTreeSet<String>,
    /// How many bytes each of the next answers of a large file has before the connection goes.
    pub cuts: Vec<usize>,
    /// The other host has no parts of files.
    pub whole_only: bool,
    /// The other host has other bytes, as many.
    pub wrong: bool,
    /// Statuses of the next answers of the hub.
    pub refusals: Vec<&'static str>,
    /// The repository's old name, which leads on.
    pub renamed: bool,
    pub asked: Vec<Asked>,
}

/// A hub with one repository, `org/toy`, whose branch `main` is at [`COMMIT`].
pub(super) struct Hub {
    pub endpoint: String,
    manners: Arc<Mutex<Manners>>,
}

pub(super) fn hub(files: &[(&str, &str)]) -> Hub {
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let manners = Arc::new(Mutex::new(Manners { files, ..Manners::default() }));
    let store = open(Arc::clone(&manners), store);
    let endpoint = open(Arc::clone(&manners), move |asked, manners| page(asked, manners, &store));
    Hub { endpoint, manners }
}

impl Hub {
    pub(super) fn manners(&self) -> MutexGuard<'_, Manners> {
        self.manners.lock().unwrap()
    }

    /// The requests since this was last called.
    pub(super) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.manners().asked)
    }

    /// `GET NAME` and `HEAD NAME` of every file that was asked for.
    pub(super) fn files_asked(&self) -> Vec<String> {
        let of = |asked: Asked| {
            let name = asked.what.rsplit([':', '/']).next().unwrap().to_owned();
            (asked.what.contains("/resolve/") || asked.what.starts_with("store:"))
                .then(|| format!("{} {name}", asked.method))
        };
        self.asked().into_iter().filter_map(of).collect()
    }

    /// Options by which `cache` is filled from this hub.
    pub(super) fn options(&self, cache: &Path) -> ResolveOptions {
        equip(ResolveOptions::new(cache), &self.endpoint, cache)
    }
}

pub(super) fn equip(options: ResolveOptions, endpoint: &str, cache: &Path) -> ResolveOptions {
    let hub = HubOptions {
        endpoint: Some(endpoint.to_owned()),
        token: Some(TOKEN.to_owned()),
        cache_dir: Some(cache.join("hub")),
    };
    ResolveOptions { hub, ..options }
}

pub(super) fn failure(spec: &str, options: &ResolveOptions) -> (HubFailure, ModelsError) {
    let error = resolve(spec, options).unwrap_err();
    let ModelsError::Hub { failure, .. } = &error else { panic!("{error:?}") };
    (*failure, error)
}

/// What a host says.
struct Said {
    status: &'static str,
    headers: Vec<(&'static str, String)>,
    body: String,
    /// Bytes of the body that come.
    sent: usize,
}

impl Said {
    fn new(status: &'static str, body: String) -> Self {
        Self { status, headers: Vec::new(), sent: body.len(), body }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// Opens a host; gives its address.
fn open(
    manners: Arc<Mutex<Manners>>,
    answer: impl Fn(&mut Asked, &mut Manners) -> Said + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = serve(stream, &manners, &answer);
        }
    });
    address
}

fn serve(
    mut stream: TcpStream,
    manners: &Mutex<Manners>,
    answer: impl Fn(&mut Asked, &mut Manners) -> Said,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut words = request.split(' ').map(str::to_owned);
    let (method, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method, what, token: false, from: 0 };
    while let Some(line) = lines.next().transpose()?.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(": ").unwrap_or((&line, ""));
        match name.to_ascii_lowercase().as_str() {
            "authorization" => asked.token = value == format!("Bearer {TOKEN}"),
            "range" => asked.from = value["bytes=".len()..].trim_end_matches('-').parse().unwrap(),
            _ => {}
        }
    }
    let said = {
        let mut manners = manners.lock().unwrap();
        let said = answer(&mut asked, &mut manners);
        manners.asked.push(asked.clone());
        said
    };
    write!(
        stream,
        "HTTP/1.1 {}\r\nContent-Length: {}\r\nConnection: close\r\n",
        said.status,
        said.body.len()
    )?;
    for (name, value) in &said.headers {
        write!(stream, "{name}: {value}\r\n")?;
    }
    let body = if asked.method == "HEAD" { "" } else { &said.body[..said.sent] };
    write!(stream, "\r\n{body}")
}

/// The hub.
fn page(asked: &mut Asked, manners: &mut Manners, store: &str) -> Said {
    if !manners.refusals.is_empty() {
        return Said::new(manners.refusals.remove(0), String::new());
    }
    let path = asked.what.clone();
    if let Some(rest) = path.strip_prefix("/api/models/org/old").or(path.strip_prefix("/org/old"))
        && manners.renamed
    {
        let to = path.replace(rest, "").replace("old", "toy");
        return Said::new("307 Temporary Redirect", String::new()).with("Location", format!("{to}{rest}"));
    }
    if path == "/api/models/org/toy/revision/main" || path == format!("/api/models/org/toy/revision/{COMMIT}")
    {
        let names = manners.files.keys().map(|name| format!(r#"{{"rfilename": "{name}"}}"#));
        let names = names.collect::<Vec<_>>().join(",");
        return Said::new("200 OK", format!(r#"{{"sha": "{COMMIT}", "siblings": [{names}]}}"#));
    }
    let resolve = format!("/org/toy/resolve/{COMMIT}/");
    if let Some((name, text)) = path.strip_prefix(&resolve).and_then(|name| manners.files.get_key_value(name))
    {
        return match manners.large.contains(name) {
            true => Said::new("302 Found", "Found. Redirecting".to_owned())
                .with("X-Linked-ETag", format!("\"{}\"", hex(&Sha256::digest(text))))
                .with("X-Linked-Size", text.len().to_string())
                .with("ETag", "\"of-the-hub's-own-page\"")
                .with("Location", format!("{store}/{name}?signature=of-the-hub")),
            false => Said::new("200 OK", text.clone()).with("ETag", format!("W/\"{}\"", git(text))),
        };
    }
    let (status, code) = match path.as_str() {
        path if path.contains("/closed") => ("403 Forbidden", "GatedRepo"),
        path if path.contains("/private") => ("401 Unauthorized", "RepoNotFound"),
        path if path.contains("/forged") => ("401 Unauthorized", ""),
        path if path.contains("/busy") => ("429 Too Many Requests", ""),
        path if path.contains("/resolve/") => ("404 Not Found", "EntryNotFound"),
        _ => ("404 Not Found", "RepoNotFound"),
    };
    let body = r#"{"error": "in the hub's words"}"#.to_owned();
    Said::new(status, body).with("X-Error-Code", code)
}

/// The other host.
fn store(asked: &mut Asked, manners: &mut Manners) -> Said {
    let name = asked.what.trim_start_matches('/').split('?').next().unwrap_or("").to_owned();
    let signed = asked.what.ends_with("?signature=of-the-hub");
    asked.what = format!("store:{name}");
    let Some(text) = manners.files.get(&name).filter(|_| signed).cloned() else {
        return Said::new("403 Forbidden", String::new());
    };
    let text = if manners.wrong { text.to_uppercase() } else { text };
    let said = match asked.from {
        0 => Said::new("200 OK", text),
        _ if manners.whole_only => Said::new("200 OK", text),
        from if from >= text.len() => return Said::new("416 Range Not Satisfiable", String::new()),
        from => {
            let range = format!("bytes {from}-{}/{}", text.len() - 1, text.len());
            Said::new("206 Partial Content", text[from..].to_owned()).with("Content-Range", range)
        }
    };
    let mut said = said.with("ETag", "\"of-the-store\"");
    if asked.method == "GET" && !manners.cuts.is_empty() {
        said.sent = manners.cuts.remove(0).min(said.body.len());
    }
    said
}

/// `git hash-object` of a text.
pub(super) fn git(text: &str) -> String {
    hex(&Sha1::digest(format!("blob {}\0{text}", text.len())))
}
