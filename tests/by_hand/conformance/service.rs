//! Starts the two judges and talks to their test routes: nnsight in process, and the released service.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

/// The key that both judges ask for: an ordinary user's, whose programs the released service runs in
/// a process of their own.
pub const KEY: &str = "00000000-0000-0000-0000-000000000001";
/// A trusted user's key, whose programs the released service runs beside the model.
pub const TRUSTED: &str = "00000000-0000-0000-0000-000000000002";
/// The released versions, the newest last.
pub const VERSIONS: [&str; 3] = ["0.1.0", "0.1.1", "0.1.2"];
pub const NEWEST: &str = VERSIONS[2];

/// A running service. It ends with this value, its state stays in its folder.
pub struct Service {
    pub url: String,
    /// The process, if it is this one's.
    child: Option<Child>,
    launch: Launch,
}

/// How a service is started.
#[derive(Default)]
struct Launch {
    python: PathBuf,
    arguments: Vec<String>,
    /// Whether it has processes of its own, which it ends when its standard input ends.
    ends_others: bool,
}

/// Python with nnsight, as `.ci/conformance` prepares it.
pub fn python() -> PathBuf {
    let set = std::env::var_os("TRUENORTH_NNSIGHT_PYTHON");
    PathBuf::from(set.expect("TRUENORTH_NNSIGHT_PYTHON names a Python with tests/requirements.txt"))
}

/// The stage's folder: models, state of services, figures.
pub fn work() -> PathBuf {
    let set = std::env::var_os("TRUENORTH_NNSIGHT_WORK");
    let work =
        set.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target/conformance"), PathBuf::from);
    std::fs::create_dir_all(&work).unwrap();
    work
}

/// The folder that `tests/ndif_service/setup.sh` made.
pub fn released() -> PathBuf {
    let set = std::env::var_os("TRUENORTH_NDIF_WORK");
    PathBuf::from(set.expect("TRUENORTH_NDIF_WORK names the folder that tests/ndif_service/setup.sh made"))
}

/// The scripts around nnsight.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/nnsight_service")
}

/// Runs a script around nnsight to its end.
pub fn script(name: &str, arguments: &[&str]) -> String {
    finish(&python(), &scripts().join(name), arguments)
}

/// Runs a script around the released service to its end.
pub fn ndif_script(name: &str, arguments: &[&str]) -> String {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ndif_service");
    finish(&released().join("venv/bin/python"), &scripts.join(name), arguments)
}

fn finish(python: &Path, script: &Path, arguments: &[&str]) -> String {
    let out = Command::new(python).arg(script).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{} {arguments:?}: {}: {errors}", script.display(), out.status);
    String::from_utf8(out.stdout).unwrap()
}

impl Service {
    /// Starts nnsight in process around folders (or GGUF files) under names.
    pub fn start(models: &[(String, PathBuf)], state: &Path) -> Self {
        let script = scripts().join("service.py");
        Self::launched(Launch::new(python(), &script, models, state, &["--key", KEY], false))
    }

    /// Starts a version of the released service around folders (or GGUF files) under names.
    pub fn released(version: &str, models: &[(String, PathBuf)], state: &Path, more: &[&str]) -> Self {
        let (work, made) = (released(), work().join("ndif-made"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ndif_service/service.py");
        // A newer package or Python, which .ci/conformance tries last.
        let instead = |name: &str, path: PathBuf| std::env::var_os(name).map_or(path, PathBuf::from);
        let ndif = instead("TRUENORTH_NDIF_PACKAGE", work.join(format!("ndif-{version}")));
        let python = instead("TRUENORTH_NDIF_PYTHON", work.join("venv/bin/python"));
        let (ndif, made) = (ndif.display().to_string(), made.display().to_string());
        let all =
            [&["--ndif", &ndif, "--key", KEY, "--trusted", TRUSTED, "--cache", &made][..], more].concat();
        Self::launched(Launch::new(python, &script, models, state, &all, true))
    }

    fn launched(launch: Launch) -> Self {
        let (child, url) = launch.at(0);
        Self { url, child: Some(child), launch }
    }

    /// A service that another process started.
    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned(), child: None, launch: Launch::default() }
    }

    /// Starts it again where it was, once it has ended.
    pub fn again(&mut self) {
        let port = self.url.rsplit_once(':').unwrap().1.parse().unwrap();
        self.end();
        let (child, url) = self.launch.at(port);
        (self.child, self.url) = (Some(child), url);
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| child.try_wait().unwrap().is_some())
    }

    /// The end of its input ends it after its last job; where it has no processes of its own, there is
    /// nothing to wait for.
    fn end(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        drop(child.stdin.take());
        let patience = Instant::now() + Duration::from_secs(if self.launch.ends_others { 10 } else { 0 });
        while Instant::now() < patience && child.try_wait().is_ok_and(|status| status.is_none()) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    pub fn get(&self, path: &str) -> Json {
        self.ask("GET", path, "")
    }

    pub fn post(&self, path: &str, body: &Json) -> Json {
        self.ask("POST", path, &body.to_string())
    }

    /// What is known of the jobs since the last reset.
    pub fn jobs(&self) -> Vec<Json> {
        self.get("/test/counts")["jobs"].as_array().unwrap().clone()
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Json {
        let host = self.url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{method} {path}: {answer}");
        serde_json::from_str(body).unwrap()
    }
}

impl Launch {
    fn new(
        python: PathBuf,
        script: &Path,
        models: &[(String, PathBuf)],
        state: &Path,
        more: &[&str],
        ends_others: bool,
    ) -> Self {
        let state = state.display().to_string();
        let mut arguments = vec![script.display().to_string(), "--state".into(), state];
        for (name, path) in models {
            let flag = if path.extension().is_some_and(|e| e == "gguf") { "--gguf" } else { "--model" };
            arguments.extend([flag.to_owned(), format!("{name}={}", path.display())]);
        }
        arguments.extend(more.iter().map(|a| (*a).to_owned()));
        Self { python, arguments, ends_others }
    }

    fn at(&self, port: u16) -> (Child, String) {
        let mut command = Command::new(&self.python);
        command.args(&self.arguments).args(["--port", &port.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(url.starts_with("http://"), "the service does not start: {url:?}");
        (child, url.trim().to_owned())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}
