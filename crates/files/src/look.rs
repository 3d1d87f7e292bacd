//! What a file is by its first bytes or its ending, where it is none that is read as text.

/// A kind of file that is not read as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadableKind {
    /// The kind of file, with its article.
    pub what: &'static str,
    /// A remedy for people.
    pub remedy: &'static str,
}

const CONVERT: &str = "make a JSONL or CSV file of it; `truenorth data convert --from parquet` reads Parquet";
const EXPORT: &str = "export it as JSONL, CSV or plain text in UTF-8";
const SOURCE: &str = "give its parts as `text` in JSONL or CSV; if each of its lines is a text, give it a name that ends in .txt";
const MODEL: &str = "name the file of texts here; a model goes to --model and a direction to --direction";
const UNPACK: &str = "unpack it first";

/// How Git's stand-in for a large file begins, which a clone without Git LFS leaves in its place; it goes on
/// with the hash and size of the file that is meant.
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// The remedy for a Git LFS pointer.
pub const LFS_REMEDY: &str = "run `git lfs pull` in its repository, or download the file itself";

/// Whether a file's bytes are a Git LFS pointer.
#[must_use]
pub fn is_lfs_pointer(bytes: &[u8]) -> bool {
    bytes.starts_with(LFS)
}

const MAGIC: &[(&[u8], &str, &str)] = &[
    (LFS, "a Git LFS pointer, which stands for a file that was not downloaded", LFS_REMEDY),
    (b"\x1f\x8b", "packed with gzip", "unpack it first: gunzip < FILE > NEW"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd", "unpack it first: unzstd < FILE > NEW"),
    (b"\xfd7zXZ\0", "packed with xz", "unpack it first: unxz < FILE > NEW"),
    (b"BZh", "packed with bzip2", "unpack it first: bunzip2 < FILE > NEW"),
    (b"\x04\x22\x4d\x18", "packed with lz4", "unpack it first: unlz4 < FILE > NEW"),
    (
        b"PK\x03\x04",
        "a zip archive, as .zip, .xlsx, .docx, .npz and .pt files are",
        "unpack or export what is in it",
    ),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!", "a RAR archive", UNPACK),
    (b"PAR1", "Parquet", CONVERT),
    (b"PARE", "encrypted Parquet", "write it again without encryption"),
    (b"ARROW1", "an Arrow file", CONVERT),
    (b"Obj\x01", "an Avro file", CONVERT),
    (b"\x89HDF", "an HDF5 file", CONVERT),
    (b"\x93NUMPY", "a NumPy array", MODEL),
    (b"GGUF", "a GGUF model", MODEL),
    (b"SQLite format 3\0", "an SQLite database", EXPORT),
    (b"%PDF", "a PDF document", EXPORT),
    (b"\xd0\xcf\x11\xe0", "an old Word or Excel document", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"\x89PNG", "a picture", "name a file of texts"),
    (b"\xff\xd8\xff", "a picture", "name a file of texts"),
    (b"\x80\x02", "a Python pickle, which is never run here", EXPORT),
    (b"\x80\x03", "a Python pickle, which is never run here", EXPORT),
    (b"\x80\x04", "a Python pickle, which is never run here", EXPORT),
    (b"\x80\x05", "a Python pickle, which is never run here", EXPORT),
];

const ENDINGS: &[(&str, &str, &str)] = &[
    ("br", "packed with brotli by its ending", "unpack it first: brotli -d FILE.br"),
    (
        "gz",
        "packed with gzip by its ending, but its bytes are not",
        "fetch it again, or take the ending away",
    ),
    (
        "zst",
        "packed with zstd by its ending, but its bytes are not",
        "fetch it again, or take the ending away",
    ),
    ("yaml", "YAML by its ending", EXPORT),
    ("yml", "YAML by its ending", EXPORT),
    ("toml", "TOML by its ending", EXPORT),
    ("xml", "XML by its ending", EXPORT),
    ("html", "HTML by its ending", EXPORT),
    ("htm", "HTML by its ending", EXPORT),
    ("ipynb", "a Jupyter notebook by its ending", SOURCE),
    ("tex", "LaTeX by its ending", SOURCE),
    ("bib", "BibTeX by its ending", SOURCE),
    ("py", "Python source by its ending", SOURCE),
    ("r", "R source by its ending", SOURCE),
    ("rmd", "R Markdown by its ending", SOURCE),
    ("jl", "Julia source by its ending", SOURCE),
    ("js", "JavaScript by its ending", SOURCE),
    ("ts", "TypeScript by its ending", SOURCE),
    ("c", "C source by its ending", SOURCE),
    ("h", "C source by its ending", SOURCE),
    ("cc", "C++ source by its ending", SOURCE),
    ("cpp", "C++ source by its ending", SOURCE),
    ("hpp", "C++ source by its ending", SOURCE),
    ("cs", "C# source by its ending", SOURCE),
    ("go", "Go source by its ending", SOURCE),
    ("rs", "Rust source by its ending", SOURCE),
    ("java", "Java source by its ending", SOURCE),
    ("kt", "Kotlin source by its ending", SOURCE),
    ("swift", "Swift source by its ending", SOURCE),
    ("rb", "Ruby source by its ending", SOURCE),
    ("php", "PHP source by its ending", SOURCE),
    ("sh", "a shell script by its ending", SOURCE),
    ("sql", "SQL by its ending", SOURCE),
    ("css", "a style sheet by its ending", SOURCE),
    ("arrow", "an Arrow file by its ending", CONVERT),
    ("feather", "an Arrow file by its ending", CONVERT),
    ("parquet", "Parquet by its ending, but its bytes are not", "fetch it again"),
    ("xlsx", "an Excel document by its ending", EXPORT),
    ("safetensors", "a safetensors file", MODEL),
    ("gguf", "a GGUF model by its ending", MODEL),
    ("pt", "a PyTorch file by its ending", MODEL),
    ("pth", "a PyTorch file by its ending", MODEL),
    ("npy", "a NumPy array by its ending", MODEL),
    ("npz", "NumPy arrays by its ending", MODEL),
];

impl UnreadableKind {
    /// What the first bytes say, none where they may be text.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if let Some((_, what, remedy)) = MAGIC.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
            return Some(Self { what, remedy });
        }
        if bytes.get(257..262) == Some(b"ustar") {
            return Some(Self { what: "a tar archive", remedy: UNPACK });
        }
        // A length of eight bytes, then a JSON head.
        if bytes.get(4..10).is_some_and(|b| b[..4] == [0; 4] && b[4] == b'{' && b[5] == b'"') {
            return Some(Self { what: "a safetensors file", remedy: MODEL });
        }
        let start: Vec<u8> = bytes
            .strip_prefix(b"\xef\xbb\xbf")
            .unwrap_or(bytes)
            .trim_ascii_start()
            .iter()
            .take(14)
            .map(u8::to_ascii_lowercase)
            .collect();
        (start.starts_with(b"<!doctype html") || start.starts_with(b"<html")).then_some(Self {
            what: "a web page, as a download that failed or needs a login leaves it",
            remedy: "download the file itself, signed in where that is needed",
        })
    }

    /// Whether a file only stands for another: a Git LFS pointer or a web page in place of a download.
    #[must_use]
    pub fn stand_in(bytes: &[u8]) -> Option<Self> {
        Self::of(bytes).filter(|look| look.what.contains("Git LFS") || look.what.contains("web page"))
    }

    /// What the ending of a file's name says, none where the file may be text.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        let found = ENDINGS.iter().find(|(known, ..)| *known == ending);
        found.map(|(_, what, remedy)| Self { what, remedy })
    }
}
